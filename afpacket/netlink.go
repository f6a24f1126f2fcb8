package afpacket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"sesame/matcher"
)

// Sizes and numbers of rtnetlink (rtnetlink(7), linux/netlink.h,
// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h).
const (
	nlHeader    = 16   // struct nlmsghdr
	nlAlign     = 4    // of messages and attributes
	nlError     = 2    // NLMSG_ERROR
	nlDone      = 3    // NLMSG_DONE
	interrupted = 0x10 // NLM_F_DUMP_INTR: something changed while the dump ran

	newLink = 16 // RTM_NEWLINK
	delLink = 17 // RTM_DELLINK
	newAddr = 20 // RTM_NEWADDR
	delAddr = 21 // RTM_DELADDR

	ifInfoMsg  = 16 // struct ifinfomsg
	ifAddrMsg  = 8  // struct ifaddrmsg
	attrHeader = 4  // struct rtattr
	iflaName   = 3  // IFLA_IFNAME
	ifaAddress = 1  // IFA_ADDRESS: the prefix address; the peer's on point-to-point links
	ifaLocal   = 2  // IFA_LOCAL: the machine's own, when it differs
	flagUp     = 1  // IFF_UP

	familyAny = 0  // AF_UNSPEC
	familyIP4 = 2  // AF_INET
	familyIP6 = 10 // AF_INET6

	maxName = 15 // IFNAMSIZ without the zero behind the name
)

var errNetlink = errors.New("damaged netlink message")

// Link is a network interface.
type Link struct {
	Index int    // the kernel's number for it, from 1
	Name  string // 1 to 15 bytes
	Up    bool   // switched on (IFF_UP), with a carrier or not
}

// notice is what one rtnetlink message says: something about a link or an
// address, by kind.
type notice struct {
	kind uint16
	link Link
	addr address
}

// address is an address of the machine. One may have the same address twice, on
// two links, or on one with two peers or prefix lengths.
type address struct {
	own, peer matcher.Addr
	link      uint32
	prefix    byte
}

// parseNotices reads the messages of one datagram and calls take with each that
// is of a kind above. It reports whether a dump is over and whether changes
// have interrupted it. Lengths that lead out of b are an error, with which take
// may have been called before; messages of other kinds are passed over.
func parseNotices(b []byte, take func(notice)) (done, again bool, err error) {
	for len(b) > 0 {
		if len(b) < nlHeader {
			return false, again, errNetlink
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < nlHeader || size > len(b) {
			return false, again, errNetlink
		}
		again = again || binary.NativeEndian.Uint16(b[6:])&interrupted != 0
		body := b[nlHeader:size]
		kind := binary.NativeEndian.Uint16(b[4:])
		switch kind {
		case nlDone:
			return true, again, nil
		case nlError:
			if len(body) < 4 {
				return false, again, errNetlink
			}
			code := int32(binary.NativeEndian.Uint32(body))
			return true, again, errors.New("netlink error " + strconv.Itoa(int(-code)))
		case newLink, delLink, newAddr, delAddr:
			n, ok := notice{kind: kind}, false
			if kind == newLink || kind == delLink {
				ok, err = n.parseLink(body)
			} else {
				ok, err = n.parseAddr(body)
			}
			if err != nil {
				return false, again, err
			}
			if ok {
				take(n)
			}
		}
		b = b[min(len(b), (size+nlAlign-1)&^(nlAlign-1)):]
	}
	return false, again, nil
}

// parseLink reads the body of a message about a link. It is of use only with
// ok: a bridge tells of its ports with messages of the same kind, and one that
// is no port any more is not gone.
func (n *notice) parseLink(b []byte) (ok bool, err error) {
	if len(b) < ifInfoMsg {
		return false, errNetlink
	}
	n.link.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	n.link.Up = binary.NativeEndian.Uint32(b[8:])&flagUp != 0
	ok = b[0] == familyAny && n.link.Index > 0
	for b = b[ifInfoMsg:]; ; {
		kind, value, rest, err := nextAttr(b)
		if err != nil || value == nil {
			return ok && (n.link.Name != "" || n.kind == delLink), err
		}
		if kind == iflaName {
			value, _, _ = bytes.Cut(value, []byte{0})
			if len(value) == 0 || len(value) > maxName {
				return false, errNetlink
			}
			n.link.Name = string(value)
		}
		b = rest
	}
}

// parseAddr reads the body of a message about an address.
func (n *notice) parseAddr(b []byte) (ok bool, err error) {
	if len(b) < ifAddrMsg {
		return false, errNetlink
	}
	family := b[0]
	n.addr.prefix, n.addr.link = b[1], binary.NativeEndian.Uint32(b[4:])
	var peer, own []byte
	for b = b[ifAddrMsg:]; ; {
		kind, value, rest, err := nextAttr(b)
		if err != nil {
			return false, err
		}
		if value == nil {
			break
		}
		switch kind {
		case ifaAddress:
			peer = value
		case ifaLocal:
			own = value
		}
		b = rest
	}
	if own == nil {
		own = peer
	}
	if peer == nil {
		peer = own
	}
	if len(peer) != len(own) {
		return false, nil
	}
	switch {
	case family == familyIP4 && len(own) == 4:
		n.addr.own, n.addr.peer = addr4(own), addr4(peer)
	case family == familyIP6 && len(own) == 16:
		n.addr.own, n.addr.peer = matcher.Addr(own), matcher.Addr(peer)
	default:
		return false, nil
	}
	return true, nil
}

// nextAttr reads the attribute at the beginning of b. value is nil when there
// is none left.
func nextAttr(b []byte) (kind uint16, value, rest []byte, err error) {
	if len(b) < attrHeader {
		return 0, nil, nil, nil
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < attrHeader || size > len(b) {
		return 0, nil, nil, errNetlink
	}
	rest = b[min(len(b), (size+nlAlign-1)&^(nlAlign-1)):]
	return binary.NativeEndian.Uint16(b[2:]), b[attrHeader:size], rest, nil
}

// fillHeader writes the header of a request that fills b.
func fillHeader(b []byte, kind, flags uint16) {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
}

// network is what notices add up to. Each says all of one link or address, so
// that notices from before a dump, taken after it, lead to the same in the end.
type network struct {
	links []Link // each index once, in no particular order
	addrs map[address]struct{}
	own   map[matcher.Addr]int // how often it is in addrs
}

func newNetwork() network {
	return network{addrs: map[address]struct{}{}, own: map[matcher.Addr]int{}}
}

// take reports whether the links are others than before.
func (w *network) take(n notice) bool {
	if n.kind == newAddr || n.kind == delAddr {
		w.takeAddr(n.addr, n.kind == newAddr)
		return false
	}
	last := len(w.links) - 1
	for at := range w.links {
		if w.links[at].Index != n.link.Index {
			continue
		}
		if n.kind == delLink {
			w.links[at] = w.links[last]
			w.links = w.links[:last]
			return true
		}
		if w.links[at] == n.link {
			return false
		}
		w.links[at] = n.link
		return true
	}
	if n.kind == newLink {
		w.links = append(w.links, n.link)
	}
	return n.kind == newLink
}

func (w *network) takeAddr(a address, is bool) {
	if _, was := w.addrs[a]; was == is {
		return
	}
	if is {
		w.addrs[a] = struct{}{}
		w.own[a.own]++
		return
	}
	delete(w.addrs, a)
	if w.own[a.own]--; w.own[a.own] == 0 {
		delete(w.own, a.own)
	}
}
