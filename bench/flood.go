package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"sesame/e2e/netns"
)

const floodText = "Forged sources send packets to the ports of a door, evenly for %v, in bursts each half millisecond. In that time %d honest " +
	"knocks come, each from an address of its own; those count as opened whose command has run (for nftables: whose address " +
	"is in the set of open doors) 2 s after the flood at the latest. The sources are random IPv4 addresses, or walk through " +
	"a /64. \"sent\" is what the watched interface counted, a second. CPU is the daemon's user and system time from the beginning to these " +
	"2 s, for each packet of the flood, with its share of the openings; commands are not in it. \"in the kernel\" is the " +
	"sender's time in its system calls for each packet, in which the kernel also delivers it, and in which a daemon may " +
	"take the processor away. RSS grown is the most that was seen (twice a second) over what there was before. Latency is that of the honest " +
	"knocks that opened."

// flooding is a kind of flood.
type flooding struct {
	name, short string // in the progress, and in the main table
	title       string
	proto       protocol
	honest      netip.Addr // the honest knocks' network
	forged      netip.Addr // any address of the flood's
	next        func(layout) func(i int, frame []byte)
}

var floodings = []flooding{
	{"first", "first-port flood", "First-port flood", tcp, honest4, second4, randomSources},
	{"second", "second-stage flood", "Second-stage flood: each source sends the first port, then the second", tcp, honest4, second4, secondStage},
	{"udp", "UDP flood", "UDP flood to the first port of a UDP sequence", udp, honest4, second4, randomSources},
	{"ipv6", "IPv6 flood from a /64", "First-port flood from sources that walk an IPv6 /64", tcp, honest6, walked6, walkingSources},
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

func randomSources(l layout) func(int, []byte) {
	rng := newRandom()
	return func(_ int, f []byte) { l.setSource4(f, anySource(rng)) }
}

func secondStage(l layout) func(int, []byte) {
	rng := newRandom()
	var src uint32
	return func(i int, f []byte) {
		if i%2 == 0 {
			src = anySource(rng)
		}
		l.setSource4(f, src)
		l.setPort(f, tcp.ports[i%2])
	}
}

func walkingSources(l layout) func(int, []byte) {
	return func(i int, f []byte) { l.walk6(f, uint64(i)+1) }
}

// outcome is what a flood did to a contestant.
type outcome struct {
	rate            int // as asked for
	sent            sent
	arrived         int
	opened, honest  int
	took            []time.Duration
	cpu             time.Duration
	rss             int    // KiB more
	log             int64  // bytes more
	ended           string // why there is no cpu and rss; "": there is
	gap             time.Duration
	withoutCommands bool
}

// flood measures what floods do to honest knocks and to the daemon.
func flood(b *bench) (section, error) {
	s := section{title: "Floods", text: fmt.Sprintf(floodText, b.plan.flood, b.plan.honest)}
	all := map[string]map[string][]outcome{}
	for _, k := range floodings {
		all[k.name] = map[string][]outcome{}
		rates := b.plan.otherRates
		if k.name == "first" {
			rates = b.plan.rates
		}
		for _, c := range b.contestants {
			for _, rate := range rates {
				if err := b.floodOnce(c, k, rate, b.plan.gap, all[k.name]); err != nil {
					return s, err
				}
			}
			if k.name == "first" {
				if err := b.floodOnce(c, k, b.plan.slowRate, b.plan.slowGap, all[k.name]); err != nil {
					return s, err
				}
			}
		}
		s.tables = append(s.tables, floodTable(b, k, all[k.name]))
	}
	s.plots = []plot{floodPlot(b, all["first"])}
	s.main = floodRows(b, all)
	return s, nil
}

func (b *bench) floodOnce(c *contestant, k flooding, rate int, gap time.Duration, into map[string][]outcome) error {
	if c.absent != "" {
		return nil
	}
	o, err := b.underFlood(c, k, rate, gap)
	if err != nil {
		return fmt.Errorf("%s, %d a second, %s: %w", k.name, rate, c.name, err)
	}
	b.say("flood %s, %d a second, %v between knocks: %s: %d of %d opened", k.name, rate, gap, c.name, o.opened, o.honest)
	into[c.name] = append(into[c.name], o)
	return nil
}

// underFlood runs one flood against a contestant that is started for it.
func (b *bench) underFlood(c *contestant, k flooding, rate int, gap time.Duration) (o outcome, err error) {
	o = outcome{rate: rate, honest: b.plan.honest, gap: gap, withoutCommands: c.path == ""}
	d, err := b.newBed()
	if err != nil {
		return o, err
	}
	defer d.end()
	s, err := d.begin(c, longLease, "")
	if err != nil {
		return o, err
	}
	before, _ := s.usage() // of rules there is none
	logged := s.logged()
	came, err := received(d.gateway, netns.GatewayIf)
	if err != nil {
		return o, err
	}
	peak := s.watch()
	flooded := make(chan error, 1)
	go func() {
		var err error
		o.sent, err = d.flood(k, rate, b.plan.flood)
		flooded <- err
	}()
	last, err := d.out.fire(floodSchedule(k, b.plan.honest, b.plan.flood, gap))
	if failed := <-flooded; failed != nil {
		err = failed
	}
	if err != nil {
		return o, err
	}
	now, err := received(d.gateway, netns.GatewayIf)
	if err != nil {
		return o, err
	}
	o.arrived = now - came - len(k.proto.ports)*o.honest
	if o.took, err = s.reached(last, 2*time.Second); err != nil {
		return o, err
	}
	o.opened = len(o.took)
	o.rss, o.log = peak()-before.rss, s.logged()-logged
	after, err := s.usage()
	if o.cpu = after.cpu - before.cpu; err != nil {
		o.ended = noProcess
		if s.process != nil {
			o.ended = "n/a: it ended"
		}
	}
	return o, nil
}

// flood sends the forged packets; none at rate 0.
func (d *bed) flood(k flooding, rate int, length time.Duration) (sent, error) {
	if rate == 0 {
		time.Sleep(length)
		return sent{elapsed: length}, nil
	}
	f := frame(d.out.from, d.out.to, k.proto.packet(k.forged, k.proto.ports[0]))
	return d.out.send(load{frame: f, next: k.next(layoutOf(f)), rate: rate, limit: length})
}

// floodSchedule spreads the honest knocks over the flood, but for its ends.
func floodSchedule(k flooding, n int, length, gap time.Duration) []shot {
	edge := length / 20
	every := (length - 2*edge - 2*gap) / time.Duration(n)
	return schedule(k.proto, sources(k.honest, n), edge, every, gap)
}

// watch reads the daemon's memory twice a second until the function that it
// returns is called, which returns the most.
func (s *subject) watch() (most func() int) {
	stop, result := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for top := 0; ; {
			u, _ := s.usage() // a daemon that has ended keeps what it had
			top = max(top, u.rss)
			select {
			case <-tick.C:
			case <-stop:
				result <- top
				return
			}
		}
	}()
	return func() int { close(stop); return <-result }
}
