package afpacket

import (
	"strconv"
	"strings"
)

const routeUp = 1 // linux/route.h, RTF_UP

// defaultRoute4 finds the default route with the lowest metric in the text of
// /proc/net/route (net/ipv4/fib_trie.c, fib_route_seq_show): name, destination,
// gateway, flags, two counters, metric, mask, with addresses and flags in
// hexadecimal.
func defaultRoute4(text string) (name string) {
	best := uint64(0)
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		metric, err2 := strconv.ParseUint(f[6], 10, 32)
		if err == nil && err2 == nil && flags&routeUp != 0 && f[0] != "*" && (name == "" || metric < best) {
			name, best = f[0], metric
		}
	}
	return name
}

// defaultRoute6 is the same for /proc/net/ipv6_route (net/ipv6/route.c,
// rt6_info_route): destination and its prefix length, source and its prefix
// length, gateway, metric, two counters, flags, name, all but the name in
// hexadecimal. Routes of lo are refusals.
func defaultRoute6(text string) (name string) {
	best := uint64(0)
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != "00" || f[3] != "00" || f[9] == "lo" {
			continue
		}
		metric, err := strconv.ParseUint(f[5], 16, 32)
		flags, err2 := strconv.ParseUint(f[8], 16, 32)
		if err == nil && err2 == nil && flags&routeUp != 0 && (name == "" || metric < best) {
			name, best = f[9], metric
		}
	}
	return name
}
