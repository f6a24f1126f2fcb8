package afpacket

import (
	"encoding/binary"
	"errors"
	"strconv"

	"sesame/matcher"
)

// Sizes and numbers of rtnetlink (rtnetlink(7), linux/netlink.h,
// linux/if_addr.h).
const (
	nlHeader   = 16 // struct nlmsghdr
	nlAlign    = 4  // of messages and attributes
	ifAddrMsg  = 8  // struct ifaddrmsg
	attrHeader = 4  // struct rtattr
	ifaAddress = 1  // IFA_ADDRESS: the prefix address; the peer's on point-to-point links
	ifaLocal   = 2  // IFA_LOCAL: the machine's own, when it differs
	nlError    = 2  // NLMSG_ERROR
	nlDone     = 3  // NLMSG_DONE
	newAddr    = 20 // RTM_NEWADDR
	familyIP4  = 2  // AF_INET
	familyIP6  = 10 // AF_INET6
)

var errNetlink = errors.New("damaged netlink message")

// parseAddrs reads the messages of one datagram of an address dump and calls
// add with each address of the machine. It reports whether the dump is over.
// Lengths that lead out of b are an error; messages of other types are passed
// over. A dump that the kernel marks as interrupted by a change is taken as it
// is: the change has a notice of its own, which leads to the next dump.
func parseAddrs(b []byte, add func(matcher.Addr)) (done bool, err error) {
	for len(b) > 0 {
		if len(b) < nlHeader {
			return false, errNetlink
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < nlHeader || size > len(b) {
			return false, errNetlink
		}
		body := b[nlHeader:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case nlDone:
			return true, nil
		case nlError:
			if len(body) < 4 {
				return false, errNetlink
			}
			code := int32(binary.NativeEndian.Uint32(body))
			return true, errors.New("netlink error " + strconv.Itoa(int(-code)))
		case newAddr:
			if err := parseAddr(body, add); err != nil {
				return false, err
			}
		}
		b = b[min(len(b), (size+nlAlign-1)&^(nlAlign-1)):]
	}
	return false, nil
}

// parseAddr reads one RTM_NEWADDR message.
func parseAddr(b []byte, add func(matcher.Addr)) error {
	if len(b) < ifAddrMsg {
		return errNetlink
	}
	family := b[0]
	var address, local []byte
	for b = b[ifAddrMsg:]; len(b) >= attrHeader; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attrHeader || size > len(b) {
			return errNetlink
		}
		switch binary.NativeEndian.Uint16(b[2:]) {
		case ifaAddress:
			address = b[attrHeader:size]
		case ifaLocal:
			local = b[attrHeader:size]
		}
		b = b[min(len(b), (size+nlAlign-1)&^(nlAlign-1)):]
	}
	if local != nil {
		address = local
	}
	switch {
	case family == familyIP4 && len(address) == 4:
		add(addr4(address))
	case family == familyIP6 && len(address) == 16:
		add(matcher.Addr(address))
	}
	return nil
}

// fillHeader writes the header of a request that fills b.
func fillHeader(b []byte, kind, flags uint16) {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
}
