package netns

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// Barrage is a number of packets to the gateway, sent one after the other by
// the helper "barrage", which reads it from its standard input and prints
// "sent" and the number at the end.
type Barrage struct {
	Packets [][]byte // patterns, sent by turns; see TCP and UDP
	Count   int      // of packets in all
	Rate    int      // a second; 0: as fast as they go
	Forge   bool     // a random source address for each round of the patterns
	Spread  int      // so many addresses of the patterns' network as sources, at random; 0: the patterns' own
	Ports   []uint16 // destination ports, in this order; nil: the patterns' own
	Seed    uint64   // of what is random
}

// Send has the barrage sent from the client's namespace, at a stretch.
func (b *Barrage) Send(client *Space) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	cmd := client.Helper("barrage")
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	go func() { defer out.Close(); out.Write(text) }()
	cmd.Stdin = in
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	defer p.Kill()
	want := fmt.Sprintf("sent %d", b.Count)
	return p.Wait(want, func(line string) bool { return line == want }, 1, Deadline+time.Duration(b.Count/max(b.Rate, 10000))*time.Second)
}

func barrage() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var b Barrage
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	w, err := openWire()
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(b.Seed, 0))
	begin := time.Now()
	var source [16]byte
	for i := range b.Count {
		p := b.Packets[i%len(b.Packets)]
		if b.Forge {
			if i%len(b.Packets) == 0 {
				binary.BigEndian.PutUint64(source[8:], rnd.Uint64())
			}
			forge(p, source)
		}
		if b.Spread > 0 {
			source[15] = byte(1 + rnd.IntN(b.Spread))
			p[lastOfSource(p)] = source[15]
		}
		if b.Ports != nil {
			binary.BigEndian.PutUint16(p[len(p)-headerSize(p)+2:], b.Ports[i%len(b.Ports)])
		}
		for {
			err := syscall.Sendto(w.fd, p, 0, w.to(p))
			if err == nil {
				break
			}
			if err != syscall.ENOBUFS && err != syscall.EINTR {
				return fmt.Errorf("send %x: %w", p, err)
			}
			time.Sleep(time.Millisecond)
		}
		// A lag is made good by what follows.
		if b.Rate > 0 && i%10 == 9 {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(b.Rate))))
		}
	}
	fmt.Println("sent", b.Count)
	return nil
}

// forge gives a packet another source: any IPv4 address for benchmarks
// (RFC 2544), or one of an IPv6 /64. Checksums stay as they are: nobody reads
// them who is to be tested.
func forge(p []byte, random [16]byte) {
	if p[0]>>4 == 6 {
		copy(p[16:24], random[8:])
		return
	}
	copy(p[12:16], []byte{198, 18 | random[12]&1, random[13], random[14]})
}

// lastOfSource is where the last byte of the source address stands.
func lastOfSource(p []byte) int {
	if p[0]>>4 == 6 {
		return 23
	}
	return 15
}

// headerSize is that of a packet's TCP or UDP header.
func headerSize(p []byte) int {
	proto := p[9]
	if p[0]>>4 == 6 {
		proto = p[6]
	}
	if proto == 17 {
		return 8
	}
	return 20
}
