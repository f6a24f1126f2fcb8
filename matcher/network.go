package matcher

// holds reports whether addr is in the network that begins with a and has wide
// bits for its addresses; with 0 it is that one address. Multicast addresses
// (RFC 1112, RFC 4291) are in no network, and the last address of an IPv4
// network of four or more is for broadcasts (RFC 919).
func (a *Addr) holds(addr *Addr, wide uint8) bool {
	if wide == 0 {
		return *a == *addr
	}
	is4 := a.Is4()
	if addr.Is4() != is4 || is4 && addr[12] >= 0xe0 || addr[0] == 0xff {
		return false
	}
	last := is4 && wide >= 2 // so far addr is that last address
	for i := len(a) - 1; i >= 0; i-- {
		free := byte(0xff)
		if wide < 8 {
			free = 1<<wide - 1
		}
		if (a[i]^addr[i])&^free != 0 {
			return false
		}
		last = last && addr[i]&free == free
		wide -= min(wide, 8)
	}
	return !last
}
