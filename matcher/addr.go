package matcher

import (
	"encoding/binary"
	"strconv"
)

// Addr is an IP address in 16 bytes, IPv4 in its IPv4-mapped form (RFC 4291,
// section 2.5.5.2). The zero value is no address.
//
// Package net/netip would do as well, at 45 kB of a router's flash.
type Addr [16]byte

// Is4 reports whether a is an IPv4 address.
func (a *Addr) Is4() bool {
	return [12]byte(a[:12]) == [12]byte{10: 0xff, 11: 0xff}
}

// IsUnspecified reports whether a is 0.0.0.0 or ::, which stand for any address
// or none (RFC 6890, section 2.2).
func (a *Addr) IsUnspecified() bool {
	return *a == Addr{} || *a == Addr{10: 0xff, 11: 0xff}
}

// String returns the address as people write it: IPv4 in dotted decimal, IPv6
// as RFC 5952 says, section 4.
func (a Addr) String() string {
	var text [len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]byte
	b := text[:0]
	if a.Is4() {
		for i, part := range a[12:] {
			if i > 0 {
				b = append(b, '.')
			}
			b = strconv.AppendUint(b, uint64(part), 10)
		}
		return string(b)
	}
	at, zeros := a.longestZeros()
	for i := 0; i < 8; i++ {
		if i == at {
			b = append(b, "::"...)
			i += zeros - 1
			continue
		}
		if i > 0 && i != at+zeros {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(a.group(i)), 16)
	}
	return string(b)
}

// group returns one of the eight 16-bit groups.
func (a *Addr) group(i int) uint16 { return binary.BigEndian.Uint16(a[2*i:]) }

// longestZeros returns the first of the longest runs of two or more groups that
// are 0, and its length; -1, 0 without one.
func (a *Addr) longestZeros() (at, length int) {
	at = -1
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && a.group(i+n) == 0 {
			n++
		}
		if n > 1 && n > length {
			at, length = i, n
		}
		i += n
	}
	return at, length
}

// ParseAddr reads an IPv4 address in dotted decimal, or an IPv6 address in any
// form of RFC 4291, section 2.2, without a zone.
func ParseAddr(text string) (a Addr, ok bool) {
	for i := range len(text) {
		if text[i] == ':' {
			return parse6(text)
		}
	}
	if a[10], a[11] = 0xff, 0xff; !parse4(text, a[12:]) {
		return Addr{}, false
	}
	return a, true
}

// parse4 reads dotted decimal into four bytes. A leading zero is refused: some
// programs take it for octal.
func parse4(text string, to []byte) bool {
	for i := range to {
		n, digits := 0, 0
		for digits < len(text) && digits < 4 && text[digits] >= '0' && text[digits] <= '9' {
			n = n*10 + int(text[digits]-'0')
			digits++
		}
		if digits == 0 || n > 255 || digits > 1 && text[0] == '0' {
			return false
		}
		to[i], text = byte(n), text[digits:]
		if i < len(to)-1 {
			if text == "" || text[0] != '.' {
				return false
			}
			text = text[1:]
		}
	}
	return text == ""
}

func parse6(text string) (a Addr, ok bool) {
	n, gap := 0, -1 // bytes read, and where "::" stands
	if len(text) >= 2 && text[:2] == "::" {
		gap, text = 0, text[2:]
	}
	for text != "" {
		if n <= 12 && parse4(text, a[n:min(n+4, 16)]) {
			n, text = n+4, ""
			break
		}
		group, digits := hexGroup(text)
		if digits == 0 || n == 16 {
			return Addr{}, false
		}
		binary.BigEndian.PutUint16(a[n:], group)
		n, text = n+2, text[digits:]
		if text == "" {
			break
		}
		if text[0] != ':' || len(text) == 1 {
			return Addr{}, false
		}
		if text = text[1:]; text[0] == ':' {
			if gap >= 0 {
				return Addr{}, false
			}
			gap, text = n, text[1:]
		}
	}
	if (n == 16) == (gap >= 0) { // "::" stands for one group or more
		return Addr{}, false
	}
	if n == 16 {
		return a, true
	}
	var full Addr
	copy(full[:gap], a[:gap])
	copy(full[16-n+gap:], a[gap:n])
	return full, true
}

// hexGroup reads one to four hexadecimal digits.
func hexGroup(text string) (group uint16, digits int) {
	for digits < len(text) && digits < 5 {
		c := text[digits]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return group, digits
		}
		if digits++; digits == 5 {
			return 0, 0
		}
		group = group<<4 | uint16(c)
	}
	return group, digits
}
