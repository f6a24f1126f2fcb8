package afpacket

import (
	"encoding/binary"
	"slices"
	"testing"

	"sesame/matcher"
)

// message builds a netlink message in the byte order of this machine.
func nlMessage(kind uint16, body ...byte) []byte {
	b := append(make([]byte, nlHeader), body...)
	fillHeader(b, kind, 0)
	return pad(b)
}

func attr(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(attrHeader+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return pad(append(b, value...))
}

func pad(b []byte) []byte {
	for len(b)%nlAlign != 0 {
		b = append(b, 0)
	}
	return b
}

func ifaddr(family byte, attrs ...[]byte) []byte {
	return append([]byte{family, 24, 0, 0, 2, 0, 0, 0}, slices.Concat(attrs...)...)
}

func TestParseAddrs(t *testing.T) {
	a6 := addr("2001:db8::1")
	plain := nlMessage(newAddr, ifaddr(familyIP4, attr(ifaAddress, 192, 0, 2, 1), attr(3, 'w', 'a', 'n', 0))...)
	peer := nlMessage(newAddr, ifaddr(familyIP4, attr(ifaAddress, 198, 51, 100, 2), attr(ifaLocal, 198, 51, 100, 1))...)
	six := nlMessage(newAddr, ifaddr(familyIP6, attr(ifaAddress, a6[:]...))...)
	done := nlMessage(nlDone, 0, 0, 0, 0)
	refused := nlMessage(nlError, binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff))...)
	badAttr := nlMessage(newAddr, ifaddr(familyIP4, []byte{200, 0, 1, 0})...)
	binary.NativeEndian.PutUint16(badAttr[nlHeader+ifAddrMsg:], 200)

	for _, tt := range []struct {
		name string
		b    []byte
		want []string
		done bool
		fail bool
	}{
		{"addresses", slices.Concat(plain, peer, six), []string{"192.0.2.1", "198.51.100.1", "2001:db8::1"}, false, false},
		{"end", slices.Concat(plain, done, six), []string{"192.0.2.1"}, true, false},
		{"other message", slices.Concat(nlMessage(21, ifaddr(familyIP4, attr(ifaAddress, 192, 0, 2, 9))...), plain), []string{"192.0.2.1"}, false, false},
		{"other family", nlMessage(newAddr, ifaddr(7, attr(ifaAddress, 1, 2, 3, 4))...), nil, false, false},
		{"address of the wrong size", nlMessage(newAddr, ifaddr(familyIP4, attr(ifaAddress, 1, 2, 3))...), nil, false, false},
		{"refusal", refused, nil, true, true},
		{"cut header", plain[:10], nil, false, true},
		{"cut body", plain[:len(plain)-4], nil, false, true},
		{"no ifaddrmsg", nlMessage(newAddr, 2, 0), nil, false, true},
		{"attribute beyond the end", badAttr, nil, false, true},
		{"nothing", nil, nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []matcher.Addr
			isDone, err := parseAddrs(tt.b, func(a matcher.Addr) { got = append(got, a) })
			if isDone != tt.done || (err != nil) != tt.fail {
				t.Errorf("done %v, error %v", isDone, err)
			}
			var want []matcher.Addr
			for _, s := range tt.want {
				want = append(want, addr(s))
			}
			if !slices.Equal(got, want) {
				t.Errorf("addresses %v, want %v", got, want)
			}
		})
	}
}

func FuzzNetlink(f *testing.F) {
	a6 := addr("2001:db8::1")
	f.Add(nlMessage(newAddr, ifaddr(familyIP4, attr(ifaAddress, 192, 0, 2, 1), attr(ifaLocal, 192, 0, 2, 2))...))
	f.Add(nlMessage(newAddr, ifaddr(familyIP6, attr(ifaAddress, a6[:]...))...))
	f.Add(nlMessage(nlDone, 0, 0, 0, 0))
	f.Add(nlMessage(nlError, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseAddrs(b[:len(b):len(b)], func(a matcher.Addr) {
			if a == (matcher.Addr{}) && len(b) < nlHeader+ifAddrMsg+attrHeader {
				t.Fatal("an address out of nothing")
			}
		})
	})
}
