package knock_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sesame/e2e/netns"
)

// roleEnv tells this binary that it was started as a helper of these tests.
const roleEnv = "SESAME_KNOCK_ROLE"

func role() {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		return
	case "capture":
		err = capture(os.Args[1])
	case "stamps":
		err = stamps()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1) // they end only by an error
}

// capture prints each TCP and UDP packet that comes in through an interface:
// "SOURCE tcp PORT FLAGS BYTES" or "SOURCE udp PORT BYTES", with the flags of
// the TCP header (F, S, R, P, A) and the length of the content; "arp" for ARP.
func capture(name string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	const all = 0x0300 // ETH_P_ALL, big endian
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}); err != nil {
		return err
	}
	fmt.Println("capturing")
	for b := make([]byte, 64<<10); ; {
		n, sender, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return err
		}
		from := sender.(*unix.SockaddrLinklayer)
		if from.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if from.Protocol == 0x0608 { // ETH_P_ARP, big endian
			fmt.Println("arp")
		}
		if line := describe(b[:n]); line != "" {
			fmt.Println(line)
		}
	}
}

// describe returns the line for an IP packet, nothing for other ones.
func describe(p []byte) string {
	var source netip.Addr
	var proto byte
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		proto, source = p[9], netip.AddrFrom4([4]byte(p[12:16]))
		p = p[int(p[0]&15)*4 : binary.BigEndian.Uint16(p[2:])]
	case len(p) >= 40 && p[0]>>4 == 6:
		proto, source = p[6], netip.AddrFrom16([16]byte(p[8:24]))
		p = p[40 : 40+int(binary.BigEndian.Uint16(p[4:]))]
	}
	switch {
	case proto == 6 && len(p) >= 20:
		flags := ""
		for i, name := range "FSRPA" {
			if p[13]>>i&1 != 0 {
				flags += string(name)
			}
		}
		return fmt.Sprintf("%s tcp %d %s %d", source, binary.BigEndian.Uint16(p[2:]), flags, len(p)-int(p[12]>>4)*4)
	case proto == 17 && len(p) >= 8:
		return fmt.Sprintf("%s udp %d %d", source, binary.BigEndian.Uint16(p[2:]), len(p)-8)
	}
	return ""
}

// tap watches the gateway's side of the wire.
type tap struct {
	*process
	l    *lab
	seen int // lines that earlier calls of packets have returned
	ends int
}

func (l *lab) tap() *tap {
	l.t.Helper()
	return &tap{process: l.capture(l.gw, netns.GatewayIf), l: l, seen: 1}
}

// capture starts the helper on an interface of a namespace.
func (l *lab) capture(s *netns.Space, link string) *process {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := s.Command(self, link)
	cmd.Env = append(os.Environ(), roleEnv+"=capture")
	p := l.spawn(cmd)
	p.wait("capturing", 1)
	return p
}

// packets returns what has come since the last call, but for answers to the
// gateway (RST and the like): knocks are a SYN alone, or UDP. A mark from an
// address of its own, sent last, shows that all has come.
func (w *tap) packets() []string {
	w.t.Helper()
	w.ends++
	mark := fmt.Sprintf("192.0.2.%d", 100+w.ends)
	cmd := w.l.cl.Helper("send")
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // the race detector's way to exit takes a second
	cmd.Stdin = strings.NewReader(fmt.Sprintf("%x\n", netns.UDP(mark, gateway, 9)))
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("send: %v: %s", err, out)
	}
	w.wait(mark+" udp 9 ", 1)
	var list []string
	for _, line := range w.Lines()[w.seen:] {
		w.seen++
		if strings.HasPrefix(line, mark) {
			break
		}
		if f := strings.Fields(line); len(f) > 1 && (f[1] == "udp" || f[3] == "S") {
			list = append(list, line)
		}
	}
	return list
}

// want compares packets with what a test expects: words "7000" and "8000:udp"
// from one source.
func want(t testing.TB, got []string, source string, ports ...string) {
	t.Helper()
	var list []string
	for _, p := range ports {
		if port, ok := strings.CutSuffix(p, ":udp"); ok {
			list = append(list, source+" udp "+port+" 0")
		} else {
			list = append(list, source+" tcp "+p+" S 0")
		}
	}
	if strings.Join(got, "\n") != strings.Join(list, "\n") {
		t.Errorf("on the wire:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(list, "\n"))
	}
}
