package afpacket

import (
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// watched is a Network in a namespace of its own.
type watched struct {
	*Network
	t *testing.T
}

func watch(t *testing.T) watched {
	t.Helper()
	n, err := Watch()
	if err != nil {
		t.Fatal(err)
	}
	return watched{n, t}
}

// change changes something and takes the notices; it returns whether the links
// are said to be others.
func (w watched) change(args ...string) (changed bool) {
	w.t.Helper()
	ip(w.t, args...)
	readable(w.t, w.FD())
	return w.update()
}

func (w watched) update() bool {
	w.t.Helper()
	changed, err := w.Update()
	if err != nil {
		w.t.Error(err)
	}
	return changed
}

func (w watched) has(want bool, addrs ...string) {
	w.t.Helper()
	for _, s := range addrs {
		if w.Has(addr(s)) != want {
			w.t.Errorf("Has(%s) = %v", s, !want)
		}
	}
}

// wantLinks compares names; those that are up have a + behind them.
func (w watched) wantLinks(want ...string) {
	w.t.Helper()
	var got []string
	for _, l := range w.Links() {
		name := l.Name
		if l.Up {
			name += "+"
		}
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("links %q, want %q", got, want)
	}
}

func TestNetworkAddresses(t *testing.T) {
	inNamespace(t, func() {
		ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
		ip(t, "link", "set", "wan", "up")
		w := watch(t)
		defer w.Close()
		w.has(true, "127.0.0.1", "::1")
		w.has(false, "192.0.2.1", "2001:db8::1")
		w.change("addr", "add", "192.0.2.1/24", "dev", "wan")
		w.change("addr", "add", "2001:db8::1/64", "dev", "wan", "nodad")
		w.change("addr", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", "wan")
		w.has(true, "192.0.2.1", "2001:db8::1", "198.51.100.1")
		// Neither broadcast, multicast nor others' addresses.
		w.has(false, "192.0.2.255", "255.255.255.255", "224.0.0.1", "ff02::1", "198.51.100.2", "192.0.2.2")
		// The same address for another peer, and on another interface.
		w.change("addr", "add", "198.51.100.1", "peer", "198.51.100.3", "dev", "wan")
		w.change("addr", "add", "198.51.100.1/32", "dev", "lo")
		w.change("addr", "del", "198.51.100.1", "peer", "198.51.100.2", "dev", "wan")
		w.change("addr", "del", "198.51.100.1/32", "dev", "lo")
		w.has(true, "198.51.100.1")
		w.change("addr", "del", "198.51.100.1", "peer", "198.51.100.3", "dev", "wan")
		w.change("addr", "del", "192.0.2.1/24", "dev", "wan")
		w.has(false, "192.0.2.1", "198.51.100.1")
		w.has(true, "2001:db8::1", "127.0.0.1")
		// An interface takes its addresses with it.
		w.change("link", "del", "wan")
		w.has(false, "2001:db8::1")
		if len(w.addrs) != 2 || w.Len() != 2 { // those of lo
			t.Errorf("%d addresses, %d different ones", len(w.addrs), w.Len())
		}
	})
}

func TestNetworkLinks(t *testing.T) {
	inNamespace(t, func() {
		w := watch(t)
		defer w.Close()
		w.wantLinks("lo+")
		if !w.change("link", "add", "wan", "type", "veth", "peer", "name", "lan") {
			t.Error("two new links are no change")
		}
		w.wantLinks("lo+", "wan", "lan")
		w.change("link", "set", "wan", "up")
		w.wantLinks("lo+", "wan+", "lan")
		if w.change("addr", "add", "192.0.2.1/24", "dev", "wan") {
			t.Error("a new address is said to be another link")
		}
		// A port that leaves its bridge is not gone, although the bridge says so
		// with RTM_DELLINK.
		w.change("link", "add", "br0", "type", "bridge")
		w.change("link", "set", "lan", "master", "br0")
		w.change("link", "set", "lan", "nomaster")
		w.wantLinks("lo+", "wan+", "lan", "br0")
		// Several changes are one.
		ip(t, "link", "set", "lan", "name", "inner")
		ip(t, "link", "set", "wan", "down")
		w.change("link", "del", "br0")
		w.wantLinks("lo+", "wan", "inner")
		if changed, err := w.Update(); changed || err != nil {
			t.Errorf("an update without a notice: %v, %v", changed, err)
		}
		w.change("link", "del", "wan")
		w.wantLinks("lo+")
	})
}

// TestNetworkLostNotices makes more changes than the socket holds: the list
// is made anew.
func TestNetworkLostNotices(t *testing.T) {
	inNamespace(t, func() {
		w := watch(t)
		defer w.Close()
		unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
		want := []string{"lo+"}
		for i := range 20 {
			name := "d" + strconv.Itoa(i)
			ip(t, "link", "add", name, "type", "bridge")
			ip(t, "addr", "add", "192.0.2."+strconv.Itoa(i)+"/32", "dev", name)
			want = append(want, name)
		}
		if w.Has(addr("192.0.2.19")) {
			t.Error("an address is known before the update")
		}
		readable(t, w.FD())
		if !w.update() {
			t.Error("nothing is said to have changed")
		}
		w.wantLinks(want...)
		w.has(true, "192.0.2.0", "192.0.2.19")
		if w.stale {
			t.Error("another dump is wanted")
		}
		w.change("link", "del", "d7")
		w.has(false, "192.0.2.7")
	})
}

// TestDefaultRoute takes the routes of a namespace: of IPv4 first, the lowest
// metric first.
func TestDefaultRoute(t *testing.T) {
	inNamespace(t, func() {
		w := watch(t)
		defer w.Close()
		w.FollowRoutes(true)
		want := func(name string) {
			t.Helper()
			if got := DefaultRoute(); got != name {
				t.Errorf("the default route is of %q, want %q", got, name)
			}
		}
		want("")
		for i, name := range []string{"wan", "dsl"} {
			ip(t, "link", "add", name, "type", "veth", "peer", "name", name+"2")
			ip(t, "link", "set", name+"2", "up")
			ip(t, "link", "set", name, "up")
			ip(t, "addr", "add", "192.0.2."+strconv.Itoa(1+16*i)+"/28", "dev", name)
			ip(t, "addr", "add", "2001:db8:"+strconv.Itoa(i)+"::1/64", "dev", name, "nodad")
		}
		want("")
		w.update()
		if !w.change("-6", "route", "add", "default", "via", "2001:db8:1::2", "dev", "dsl") {
			t.Error("a new route is no change")
		}
		want("dsl")
		ip(t, "route", "add", "default", "via", "192.0.2.2", "dev", "wan", "metric", "50")
		want("wan")
		ip(t, "route", "add", "default", "via", "192.0.2.18", "dev", "dsl", "metric", "20")
		want("dsl")
		ip(t, "route", "del", "default", "via", "192.0.2.18", "dev", "dsl")
		want("wan")
		w.update()
		w.FollowRoutes(false)
		ip(t, "route", "del", "default")
		if w.update() {
			t.Error("a route that is not followed is a change")
		}
	})
}
