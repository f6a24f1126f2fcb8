package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"sesame/e2e/netns"
)

// bed is a gateway and a client with nothing else in them; one for each
// contestant in each experiment. Without the contestant's rules the gateway's
// firewall drops everything.
type bed struct {
	bench           *bench
	gateway, client *netns.Space
	out             *wire // the client's
	dir             string
	pipe            *pipe
	woken           int // addresses used to see whether a contestant is at work

	behind *netns.Space // a host on the gateway's other interface; nil: there is none
	back   *wire        // that host's
}

// The link and addresses behind the gateway, and an address on the watched
// interface's side. Nobody has the two hosts' addresses, so that nothing answers.
const (
	gatewayBehind = "dmz"
	hostBehind    = "host"
	addressBehind = "203.0.113.1"
	toBehind      = "203.0.113.2"
	toClient      = "192.0.2.200"
)

// newBed makes a bed. It is gone after end, or when the program ends.
func (b *bench) newBed() (*bed, error) {
	dir, err := b.folder("bed")
	if err != nil {
		return nil, err
	}
	gateway, client, err := netns.Pair()
	if err != nil {
		return nil, err
	}
	d := &bed{bench: b, gateway: gateway, client: client, dir: dir}
	b.mu.Lock()
	late := b.closed
	b.beds[d] = true
	b.mu.Unlock()
	if late {
		d.end()
		return nil, errors.New("the run has been given up")
	}
	if err := d.prepare(); err != nil {
		d.end()
		return nil, err
	}
	return d, nil
}

func (d *bed) prepare() (err error) {
	if d.pipe, err = newPipe(filepath.Join(d.dir, "pipe")); err != nil {
		return err
	}
	for _, s := range []*netns.Space{d.gateway, d.client} {
		if err := settings(s, "0"); err != nil {
			return err
		}
	}
	// Forged sources need a way back, as a gateway has to all of the Internet.
	for _, route := range [][]string{{"-4", netns.Client4}, {"-6", netns.Client6}} {
		if err := d.gateway.Run("ip", route[0], "route", "add", "default", "via", route[1]); err != nil {
			return err
		}
	}
	if err := d.firewall(guard("")); err != nil {
		return err
	}
	to, err := hardware(d.gateway, netns.GatewayIf)
	if err != nil {
		return err
	}
	d.out, err = openWire(d.client, netns.ClientIf, to)
	return err
}

// hardware returns the link-layer address of a link in a namespace.
func hardware(s *netns.Space, link string) (mac net.HardwareAddr, err error) {
	err = within(s, func() error {
		i, err := net.InterfaceByName(link)
		if err == nil {
			mac = i.HardwareAddr
		}
		return err
	})
	return mac, err
}

// settings turns forwarding on or off and lets any source address in, whatever
// the machine's own settings are: a new namespace takes these over.
func settings(s *netns.Space, forward string) error {
	return s.Run("sh", "-c", "echo "+forward+" > /proc/sys/net/ipv4/ip_forward && "+
		"for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")
}

// firewall replaces the gateway's rules.
func (d *bed) firewall(rules string) error {
	nft := d.gateway.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("load nftables rules: %w: %s", err, out)
	}
	return nil
}

// extend puts a host behind the gateway, which then forwards.
func (d *bed) extend() (err error) {
	if d.behind, err = netns.New(); err != nil {
		return err
	}
	gateway, release, err := resident(d.gateway)
	if err != nil {
		return err
	}
	defer release()
	host, release2, err := resident(d.behind)
	if err != nil {
		return err
	}
	defer release2()
	link := exec.Command("nsenter", "-t", strconv.Itoa(gateway), "-n", "--", "ip", "link", "add", gatewayBehind,
		"type", "veth", "peer", "name", hostBehind, "netns", strconv.Itoa(host))
	if out, err := link.CombinedOutput(); err != nil {
		return fmt.Errorf("make the second veth pair: %w: %s", err, out)
	}
	if err := settings(d.behind, "0"); err != nil {
		return err
	}
	if err := d.behind.Run("ip", "link", "set", hostBehind, "up"); err != nil {
		return err
	}
	ours, err := hardware(d.gateway, gatewayBehind)
	if err != nil {
		return err
	}
	theirs, err := hardware(d.behind, hostBehind)
	if err != nil {
		return err
	}
	for _, words := range []string{
		"link set " + gatewayBehind + " up",
		"addr add " + addressBehind + "/24 dev " + gatewayBehind,
		"neigh replace " + toBehind + " lladdr " + theirs.String() + " dev " + gatewayBehind + " nud permanent",
		"neigh replace " + toClient + " lladdr " + d.out.from.String() + " dev " + netns.GatewayIf + " nud permanent",
	} {
		if err := d.gateway.Run("ip", strings.Fields(words)...); err != nil {
			return err
		}
	}
	if err := settings(d.gateway, "1"); err != nil {
		return err
	}
	d.back, err = openWire(d.behind, hostBehind, ours)
	return err
}

// end removes the namespaces with everything in them. It may be called twice.
func (d *bed) end() {
	d.bench.mu.Lock()
	there := d.bench.beds[d]
	delete(d.bench.beds, d)
	d.bench.mu.Unlock()
	if !there {
		return
	}
	for _, s := range []*netns.Space{d.behind, d.client, d.gateway} {
		if s != nil {
			if err := s.Close(); err != nil {
				d.bench.say("a namespace did not end: %v", err)
			}
		}
	}
	for _, w := range []*wire{d.out, d.back} {
		if w != nil {
			w.close()
		}
	}
	if d.pipe != nil {
		d.pipe.close()
	}
}

// received returns how many packets have come in on a link of a namespace.
func received(s *netns.Space, link string) (int, error) {
	text, err := s.Output("cat", "/proc/net/dev")
	if err != nil {
		return 0, err
	}
	return packetsIn(text, link)
}

// packetsIn reads proc_net_dev(5): after the name come the received bytes, then
// the received packets.
func packetsIn(text, link string) (n int, err error) {
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		if f := strings.Fields(rest); name == link && len(f) > 1 {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("no link %s in /proc/net/dev", link)
}
