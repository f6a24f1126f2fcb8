package config

import (
	"strconv"
	"strings"

	"sesame/matcher"
)

// parseNetwork reads a Target: an address, or a network such as 2001:db8::/64.
// wide is how many of the last bits of target do not matter; those are 0.
func parseNetwork(value string) (target matcher.Addr, wide uint8, reason string) {
	address, length, isNetwork := strings.Cut(value, "/")
	target, reason = parseTarget(address)
	if reason != "" || !isNetwork {
		return target, 0, reason
	}
	bits := 128
	if target.Is4() {
		bits = 32
	}
	n, reason := parseCount(length, 1, bits)
	if reason != "" {
		return matcher.Addr{}, 0, reason + " of bits in a network"
	}
	wide = uint8(bits - n)
	for i := range wide {
		if target[15-i/8]>>(i%8)&1 != 0 {
			return matcher.Addr{}, 0, quote(value) + " is not a network: it has bits behind the first " + length + "; give its first address, or an address without a length"
		}
	}
	return target, wide, ""
}

// targetText is the reverse of parseNetwork.
func (d *Door) targetText() string {
	bits := 128
	if d.Target.Is4() {
		bits = 32
	}
	if d.TargetWide == 0 {
		return d.Target.String()
	}
	return d.Target.String() + "/" + strconv.Itoa(bits-int(d.TargetWide))
}
