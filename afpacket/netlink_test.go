package afpacket

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"sesame/matcher"
)

// nlMessage builds a netlink message in the byte order of this machine.
func nlMessage(kind, flags uint16, body ...byte) []byte {
	b := append(make([]byte, nlHeader), body...)
	fillHeader(b, kind, flags)
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

// ifaddr is a struct ifaddrmsg (family, prefix length, flags, scope, index) and
// attributes.
func ifaddr(family, prefix, index byte, attrs ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{family, prefix, 0, 0}, uint32(index))
	return append(b, slices.Concat(attrs...)...)
}

// ifinfo is a struct ifinfomsg (family, type, index, flags, change) and
// attributes.
func ifinfo(family, index, flags byte, attrs ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, uint32(flags))
	return append(append(b, 0, 0, 0, 0), slices.Concat(attrs...)...)
}

func ifname(name string) []byte { return attr(iflaName, append([]byte(name), 0)...) }

func TestParseNotices(t *testing.T) {
	a6 := addr("2001:db8::1")
	plain := nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2, attr(ifaAddress, 192, 0, 2, 1), attr(3, 'w', 'a', 'n', 0))...)
	peer := nlMessage(newAddr, 0, ifaddr(familyIP4, 32, 2, attr(ifaAddress, 198, 51, 100, 2), attr(ifaLocal, 198, 51, 100, 1))...)
	six := nlMessage(delAddr, 0, ifaddr(familyIP6, 64, 3, attr(ifaAddress, a6[:]...))...)
	wan := nlMessage(newLink, 0, ifinfo(familyAny, 2, flagUp|0x40, attr(13, 0), ifname("wan"), attr(1, 2, 0, 0))...)
	done := nlMessage(nlDone, 0, 0, 0, 0, 0)
	badAttr := nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2, []byte{200, 0, 1, 0})...)
	binary.NativeEndian.PutUint16(badAttr[nlHeader+ifAddrMsg:], 200)
	badLink := slices.Clone(wan)
	binary.NativeEndian.PutUint16(badLink[nlHeader+ifInfoMsg:], 3)

	at := func(kind uint16, link uint32, prefix byte, own, peer string) notice {
		return notice{kind: kind, addr: address{own: addr(own), peer: addr(peer), link: link, prefix: prefix}}
	}
	isPlain := at(newAddr, 2, 24, "192.0.2.1", "192.0.2.1")
	isWan := notice{kind: newLink, link: Link{2, "wan", true}}
	const fails, ends, repeats = 1, 2, 4
	for _, tt := range []struct {
		name string
		b    []byte
		want []notice
		how  int
	}{
		{"addresses", slices.Concat(plain, peer, six),
			[]notice{isPlain, at(newAddr, 2, 32, "198.51.100.1", "198.51.100.2"), at(delAddr, 3, 64, "2001:db8::1", "2001:db8::1")}, 0},
		{"links", slices.Concat(wan, nlMessage(delLink, 0, ifinfo(familyAny, 3, 0, ifname("123456789012345"))...)),
			[]notice{isWan, {kind: delLink, link: Link{3, "123456789012345", false}}}, 0},
		{"end", slices.Concat(plain, done, six), []notice{isPlain}, ends},
		{"interrupted", slices.Concat(nlMessage(newLink, interrupted, wan[nlHeader:]...), plain), []notice{isWan, isPlain}, repeats},
		{"interrupted at the end", slices.Concat(wan, nlMessage(nlDone, interrupted, 0, 0, 0, 0)), []notice{isWan}, ends | repeats},
		{"other message", slices.Concat(nlMessage(24, 0, ifaddr(familyIP4, 24, 2, attr(ifaAddress, 192, 0, 2, 9))...), plain), []notice{isPlain}, 0},
		{"other family", nlMessage(newAddr, 0, ifaddr(7, 24, 2, attr(ifaAddress, 1, 2, 3, 4))...), nil, 0},
		{"a bridge's port", nlMessage(delLink, 0, ifinfo(7, 2, flagUp, ifname("wan"))...), nil, 0},
		{"a link without a name", nlMessage(newLink, 0, ifinfo(familyAny, 2, flagUp)...), nil, 0},
		{"a link without an index", nlMessage(newLink, 0, ifinfo(familyAny, 0, flagUp, ifname("wan"))...), nil, 0},
		{"a link that goes without a name", nlMessage(delLink, 0, ifinfo(familyAny, 2, 0)...), []notice{{kind: delLink, link: Link{Index: 2}}}, 0},
		{"no address", nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2)...), nil, 0},
		{"address of the wrong size", nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2, attr(ifaAddress, 1, 2, 3))...), nil, 0},
		{"peer of the wrong size", nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2, attr(ifaAddress, 1, 2, 3), attr(ifaLocal, 1, 2, 3, 4))...), nil, 0},
		{"name of 16 bytes", nlMessage(newLink, 0, ifinfo(familyAny, 2, 0, ifname("1234567890123456"))...), nil, fails},
		{"empty name", nlMessage(newLink, 0, ifinfo(familyAny, 2, 0, ifname(""))...), nil, fails},
		{"refusal", nlMessage(nlError, 0, binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff))...), nil, fails | ends},
		{"cut refusal", nlMessage(nlError, 0), nil, fails},
		{"cut header", plain[:10], nil, fails},
		{"cut body", plain[:len(plain)-4], nil, fails},
		{"cut link", wan[:len(wan)-4], nil, fails},
		{"no ifaddrmsg", nlMessage(newAddr, 0, 2, 0), nil, fails},
		{"no ifinfomsg", nlMessage(delLink, 0, 0, 0, 0, 0), nil, fails},
		{"attribute beyond the end", badAttr, nil, fails},
		{"attribute that is too short", badLink, nil, fails},
		{"nothing", nil, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []notice
			ended, again, err := parseNotices(tt.b, func(n notice) { got = append(got, n) })
			if ended != (tt.how&ends != 0) || again != (tt.how&repeats != 0) || (err != nil) != (tt.how&fails != 0) {
				t.Errorf("ended %v, interrupted %v, error %v", ended, again, err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// recorded returns the datagrams of testdata/rtnetlink.hex by the command that
// led to them, in the byte order of this machine.
func recorded(t testing.TB) (commands []string, datagrams [][][]byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/rtnetlink.hex")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "# ip "); ok {
			commands, datagrams = append(commands, command), append(datagrams, nil)
		} else if !strings.HasPrefix(line, "#") {
			b, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			last := &datagrams[len(datagrams)-1]
			*last = append(*last, toNative(b))
		}
	}
	return commands, datagrams
}

// toNative swaps the numbers that the parser reads, as far as they are there,
// if this machine is a big-endian one.
func toNative(b []byte) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return b
	}
	swap := func(at, size int) {
		if at+size <= len(b) {
			slices.Reverse(b[at : at+size])
		}
	}
	kind := binary.LittleEndian.Uint16(b[4:])
	swap(0, 4) // length
	swap(4, 2) // kind
	swap(6, 2) // flags
	at := nlHeader + ifAddrMsg
	swap(nlHeader+4, 4) // index
	if kind == newLink || kind == delLink {
		swap(nlHeader+8, 4) // flags
		at = nlHeader + ifInfoMsg
	}
	for at+attrHeader <= len(b) {
		size := int(binary.LittleEndian.Uint16(b[at:]))
		swap(at, 2)
		swap(at+2, 2)
		at += max(attrHeader, (size+nlAlign-1)&^(nlAlign-1))
	}
	return b
}

// TestRecordedNotices plays what a kernel sent, and looks at the network after
// each command.
func TestRecordedNotices(t *testing.T) {
	commands, datagrams := recorded(t)
	want := map[string]string{
		"tuntap add wan mode tun":                         "wan",
		"addr add 192.0.2.1/24 dev wan":                   "wan 192.0.2.1",
		"link set wan up":                                 "wan+ 192.0.2.1",
		"addr add 198.51.100.1 peer 198.51.100.2 dev wan": "wan+ 192.0.2.1 198.51.100.1",
		"addr add 2001:db8::1/64 dev wan nodad":           "wan+ 192.0.2.1 198.51.100.1 2001:db8::1",
		"link set lan master br0":                         "wan+ lan 192.0.2.1 198.51.100.1 2001:db8::1",
		"link set lan nomaster":                           "wan+ lan 192.0.2.1 198.51.100.1 2001:db8::1",
		"link set wan down":                               "wan lan 192.0.2.1 198.51.100.1",
		"link set wan name ppp0":                          "ppp0 lan 192.0.2.1 198.51.100.1",
		"link del ppp0":                                   "lan",
	}
	w := newNetwork()
	for i, command := range commands {
		for _, b := range datagrams[i] {
			if _, _, err := parseNotices(b, func(n notice) { w.take(n) }); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		}
		var got []string
		for _, l := range w.links {
			if l.Up {
				l.Name += "+"
			}
			got = append(got, l.Name)
		}
		for _, a := range []string{"192.0.2.1", "198.51.100.1", "198.51.100.2", "2001:db8::1"} {
			if w.own[addr(a)] > 0 {
				got = append(got, a)
			}
		}
		if strings.Join(got, " ") != want[command] {
			t.Errorf("after %s: %q, want %q", command, got, want[command])
		}
	}
	if len(commands) != len(want) || len(w.addrs) != 0 || len(w.own) != 0 {
		t.Errorf("%d commands, want %d; addresses left: %v, %v", len(commands), len(want), w.addrs, w.own)
	}
}

// TestDamagedNotices cuts and changes what was recorded, at every byte that
// matters: it is an error or not, but neither a panic nor more than there is.
func TestDamagedNotices(t *testing.T) {
	_, datagrams := recorded(t)
	for _, b := range slices.Concat(datagrams...) {
		for size := range b {
			if _, _, err := parseNotices(b[:size:size], func(notice) { t.Errorf("cut at %d of %d: a notice", size, len(b)) }); err == nil && size > 0 {
				t.Errorf("cut at %d of %d: no error", size, len(b))
			}
		}
		for at := range b {
			for _, value := range []byte{0, b[at] + 1, 0xff} {
				damaged := slices.Clone(b)
				damaged[at] = value
				parseNotices(damaged[:len(b):len(b)], func(n notice) {
					if len(n.link.Name) > maxName || (n.kind == newLink) && n.link.Name == "" {
						t.Errorf("%d at %d: %+v", value, at, n)
					}
				})
			}
		}
	}
}

// naive is what a network is by definition.
type naive struct {
	links map[int]Link
	addrs map[address]bool
}

func (m *naive) take(n notice) {
	switch n.kind {
	case newLink:
		m.links[n.link.Index] = n.link
	case delLink:
		delete(m.links, n.link.Index)
	case newAddr:
		m.addrs[n.addr] = true
	case delAddr:
		delete(m.addrs, n.addr)
	}
}

// same compares a network with the naive one.
func (m *naive) same(t *testing.T, w *network) {
	t.Helper()
	links, own := map[int]Link{}, map[matcher.Addr]int{}
	for _, l := range w.links {
		links[l.Index] = l
	}
	for a := range m.addrs {
		own[a.own]++
	}
	if !maps.Equal(links, m.links) || len(links) != len(w.links) || !maps.Equal(own, w.own) || len(w.addrs) != len(m.addrs) {
		t.Fatalf("%+v\nis not %+v", w, m)
	}
}

// anyNotice makes a message and says what it means. There are few links and
// addresses, so that all things happen to all of them.
func anyNotice(r *rand.Rand) ([]byte, notice) {
	kind := []uint16{newLink, delLink, newAddr, delAddr}[r.IntN(4)]
	index := byte(1 + r.IntN(5))
	if kind == newLink || kind == delLink {
		name, up := string('a'+rune(r.IntN(4))), byte(r.IntN(2))
		b := nlMessage(kind, 0, ifinfo(familyAny, index, up*flagUp|0x10, ifname(name))...)
		return b, notice{kind: kind, link: Link{int(index), name, up == 1}}
	}
	own, peer, prefix := []byte{192, 0, 2, byte(r.IntN(3))}, []byte{198, 51, 100, byte(r.IntN(2))}, byte(24+8*r.IntN(2))
	b := nlMessage(kind, 0, ifaddr(familyIP4, prefix, index, attr(ifaAddress, peer...), attr(ifaLocal, own...))...)
	return b, notice{kind: kind, addr: address{addr4(own), addr4(peer), uint32(index), prefix}}
}

// TestNetworkModel plays random notices to the network and to the naive one.
// Now and then notices are lost: all since a while ago are played again to what
// the kernel had at some time since, which leads to the same.
func TestNetworkModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w, model := newNetwork(), naive{map[int]Link{}, map[address]bool{}}
		var log [][]byte
		for range 200 {
			b, n := anyNotice(r)
			before := slices.Clone(w.links)
			changed := false
			if _, _, err := parseNotices(b, func(n notice) { changed = w.take(n) }); err != nil {
				t.Fatal(err)
			}
			if changed == slices.Equal(before, w.links) {
				t.Fatalf("%+v: changed is %v", n, changed)
			}
			model.take(n)
			model.same(t, &w)
			log = append(log, b)
		}
		dumped := newNetwork()
		from := r.IntN(len(log))
		to := from + r.IntN(len(log)-from)
		for _, b := range append(log[:to:to], log[from:]...) {
			parseNotices(b, func(n notice) { dumped.take(n) })
		}
		model.same(t, &dumped)
	}
}

func FuzzNetlink(f *testing.F) {
	a6 := addr("2001:db8::1")
	f.Add(nlMessage(newAddr, 0, ifaddr(familyIP4, 24, 2, attr(ifaAddress, 192, 0, 2, 1), attr(ifaLocal, 192, 0, 2, 2))...))
	f.Add(nlMessage(delAddr, 0, ifaddr(familyIP6, 64, 2, attr(ifaAddress, a6[:]...))...))
	f.Add(nlMessage(newLink, interrupted, ifinfo(familyAny, 2, flagUp, ifname("wan"))...))
	f.Add(nlMessage(nlDone, 0, 0, 0, 0, 0))
	f.Add(nlMessage(nlError, 0, 1, 2, 3, 4))
	_, datagrams := recorded(f)
	for _, b := range slices.Concat(datagrams...) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, model := newNetwork(), naive{map[int]Link{}, map[address]bool{}}
		parseNotices(b[:len(b):len(b)], func(n notice) {
			isLink := n.kind == newLink || n.kind == delLink
			switch {
			case isLink && (n.link.Index <= 0 || len(n.link.Name) > maxName || strings.IndexByte(n.link.Name, 0) >= 0):
				t.Fatalf("link %+v", n.link)
			case !isLink && n.addr.own == (matcher.Addr{}) && len(b) < nlHeader+ifAddrMsg+attrHeader:
				t.Fatal("an address out of nothing")
			}
			w.take(n)
			model.take(n)
		})
		model.same(t, &w)
	})
}

// TestDefaultRoutes reads what kernels print.
func TestDefaultRoutes(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	const lan = "br-lan\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	const half = "tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" // 0.0.0.0/1
	for text, want := range map[string]string{
		"":         "",
		head + lan: "",
		head + "wan\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" + lan: "wan",
		head + half + lan: "",
		head + "wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n" +
			"wan\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n": "wan",
		head + "wan\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n": "", // not up
		head + "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n":   "", // refused
		head + "wan\t00000000\t010200C0\t00":                                 "",
	} {
		if got := defaultRoute4(text); got != want {
			t.Errorf("%q, want %q, in\n%s", got, want, text)
		}
	}
	const zeros = "00000000000000000000000000000000"
	const line = zeros + " 00 " + zeros + " 00 20010db8000000000000000000000001 "
	for text, want := range map[string]string{
		"": "",
		line + "00000400 00000001 00000000 00000003     wan\n":                                                             "wan",
		line + "00000400 00000001 00000000 00000003     wan\n" + line + "00000100 00000001 00000000 00000003   wwan0\n":    "wwan0",
		zeros + " 00 " + zeros + " 00 " + zeros + " ffffffff 00000001 00000000 00200200       lo\n":                        "",
		line + "00000400 00000001 00000000 00000002     wan\n":                                                             "",
		"20010db8000000000000000000000000 20 " + zeros + " 00 " + zeros + " 00000100 00000001 00000000 00000001     wan\n": "",
		line + "00000400 0000": "",
	} {
		if got := defaultRoute6(text); got != want {
			t.Errorf("%q, want %q, in\n%s", got, want, text)
		}
	}
}
