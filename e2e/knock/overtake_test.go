package knock_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sesame/e2e/netns"
)

// stamps prints "PORT NANOSECONDS" for each SYN that comes to the gateway, with
// the kernel's time of its arrival.
func stamps() error {
	wan, err := net.InterfaceByName(netns.GatewayIf)
	if err != nil {
		return err
	}
	const ip = 0x0008 // ETH_P_IP, big endian
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ip)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: wan.Index}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	fmt.Println("capturing")
	for b, control := make([]byte, 64<<10), make([]byte, 256); ; {
		n, size, _, _, err := unix.Recvmsg(fd, b, control, 0)
		if err != nil {
			return err
		}
		f := strings.Fields(describe(b[:n]))
		messages, err := unix.ParseSocketControlMessage(control[:size])
		if err != nil {
			return err
		}
		if len(f) == 5 && f[3] == "S" && len(messages) == 1 {
			at := (*unix.Timespec)(unsafe.Pointer(&messages[0].Data[0]))
			fmt.Println(f[2], at.Nano())
		}
	}
}

// BenchmarkOvertaking measures the gaps between knocks as they reach the
// gateway, and reports for paths that delay each packet by a time of its own,
// even between 0 and the figure, in how many of 100 knocks of ten ports one
// port overtakes another.
func BenchmarkOvertaking(b *testing.B) {
	l := newLab(b)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := l.gw.Command(self)
	cmd.Env = append(os.Environ(), roleEnv+"=stamps")
	p := l.spawn(cmd)
	p.wait("capturing", 1)
	seen := 1
	for _, delay := range []string{"0", "1", "5", "10", "12", "15", "20", "default"} {
		b.Run("d="+delay, func(b *testing.B) {
			const ports, runs, trials = 10, 40, 1000
			args := []string{gateway}
			if delay != "default" {
				args = append(args, "-d", delay)
			}
			for i := range ports {
				args = append(args, strconv.Itoa(7000+i))
			}
			over := map[time.Duration]int{2: 0, 5: 0, 10: 0, 15: 0} // by milliseconds
			least := time.Hour
			for range runs {
				l.knock(args...)
				p.wait(" ", seen+ports-1)
				var times [ports]int64
				for i, line := range p.Lines()[seen : seen+ports] {
					var port int
					if _, err := fmt.Sscan(line, &port, &times[i]); err != nil || port != 7000+i {
						b.Fatalf("packet %d is %q: %v", i, line, err)
					}
					if i > 0 {
						least = min(least, time.Duration(times[i]-times[i-1]))
					}
				}
				seen += ports
				for spread := range over {
					for range trials {
						if overtaken(times[:], int64(spread*time.Millisecond)) {
							over[spread]++
						}
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(least.Microseconds())/1000, "ms-least-gap")
			for spread, n := range over {
				b.ReportMetric(100*float64(n)/(runs*trials), fmt.Sprintf("%%-at-%dms", spread))
			}
		})
	}
}

// overtaken reports whether packets sent at these times arrive in another order
// when each takes its own time between 0 and spread.
func overtaken(times []int64, spread int64) bool {
	last := int64(0)
	for _, at := range times {
		if at += rand.Int64N(spread); at < last {
			return true
		} else {
			last = at
		}
	}
	return false
}

// TestOvertaken keeps the benchmark's own arithmetic honest.
func TestOvertaken(t *testing.T) {
	apart, together := []int64{0, 10, 20, 30}, make([]int64, 20)
	if overtaken(apart, 10) {
		t.Error("packets 10 apart overtake each other within 10")
	}
	if !overtaken(together, 1<<40) {
		t.Error("twenty packets at once never overtake each other")
	}
}
