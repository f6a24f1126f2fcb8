package e2e_test

import (
	"slices"
	"strings"
)

// rules are a firewall that can be written to and listed. PORT stands for the
// door. To remove what is not there is no failure: a daemon that was killed
// does not know how far its command came. Without a program a rule is a file.
type rules struct {
	program            string
	setup, add, remove string
	list               []string
	rule               func(line string) (address, port string)
}

var iptables = &rules{
	program: "iptables",
	add:     "iptables -w -A INPUT -s %IP% -p tcp --dport PORT -j ACCEPT",
	remove: "if iptables -w -C INPUT -s %IP% -p tcp --dport PORT -j ACCEPT 2> /dev/null; " +
		"then iptables -w -D INPUT -s %IP% -p tcp --dport PORT -j ACCEPT; fi",
	list: []string{"iptables", "-w", "-S"},
	rule: func(line string) (address, port string) {
		f := strings.Fields(line)
		if i, k := slices.Index(f, "-s"), slices.Index(f, "--dport"); i > 0 && k > 0 {
			return strings.TrimSuffix(f[i+1], "/32"), f[k+1]
		}
		return "", ""
	},
}

var nftables = &rules{
	program: "nft",
	setup: "add table inet gate { set open { type ipv4_addr . inet_service; }; " +
		"chain input { type filter hook input priority 0; policy drop; ip saddr . tcp dport @open accept; }; }",
	add:    "nft 'add element inet gate open { %IP% . PORT }'",
	remove: "nft 'add element inet gate open { %IP% . PORT }; delete element inet gate open { %IP% . PORT }'",
	list:   []string{"nft", "-n", "list", "set", "inet", "gate", "open"},
	rule: func(line string) (address, port string) {
		line = strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "elements = {"), " ,}")
		address, port, _ = strings.Cut(line, " . ")
		return address, port
	},
}
