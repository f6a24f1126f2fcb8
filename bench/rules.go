package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// guard is the gateway's firewall: what is not let in is dropped. It replaces
// the one that is there. Connection tracking is left out for all contestants.
func guard(more string) string {
	return "table inet guard\ndelete table inet guard\ntable inet guard {\n" + more + "}\n"
}

// closed is the firewall of those that open doors with a command.
const closed = `	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
	}
`

// setSize is what nftables takes for a set that packets fill, where a recipe
// says nothing.
const setSize = 65535

// knockRules is port knocking within the firewall: a set for each stage of each
// sequence, whose elements the kernel removes in time, and one of open doors.
func knockRules(lease time.Duration) string {
	var sets, rules strings.Builder
	for _, family := range []struct{ key, kind, digit string }{{"ip", "ipv4_addr", "4"}, {"ip6", "ipv6_addr", "6"}} {
		set := func(name string, timeout time.Duration) {
			fmt.Fprintf(&sets, "\tset %s { type %s; flags dynamic,timeout; timeout %ds; size %d; }\n",
				name, family.kind, int(timeout.Seconds()), setSize)
		}
		open := "open" + family.digit
		set(open, lease)
		fmt.Fprintf(&rules, "\t\t%s saddr @%s tcp dport 22 accept\n", family.key, open)
		for _, p := range []protocol{udp, tcp} {
			first, second := p.name+"a"+family.digit, p.name+"b"+family.digit
			set(first, seqTimeout)
			set(second, seqTimeout)
			match := ""
			if p.name == "tcp" {
				match = "tcp flags & (fin|syn|rst|ack) == syn "
			}
			for stage, sets := range [][2]string{{"", first}, {first, second}, {second, open}} {
				before := ""
				if sets[0] != "" {
					before = fmt.Sprintf("%s saddr @%s ", family.key, sets[0])
				}
				fmt.Fprintf(&rules, "\t\t%s%s dport %d %supdate @%s { %s saddr } drop\n",
					match, p.name, p.ports[stage], before, sets[1], family.key)
			}
		}
	}
	chain := strings.Replace(closed, "iif lo accept\n", "iif lo accept\n"+rules.String(), 1)
	return sets.String() + chain
}

// elements returns the addresses in what nft prints of a set.
func elements(text string) (list []netip.Addr) {
	_, text, _ = strings.Cut(text, "elements = {")
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n,{}", r) }) {
		if a, err := netip.ParseAddr(word); err == nil {
			list = append(list, a)
		}
	}
	return list
}
