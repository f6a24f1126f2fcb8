package afpacket

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"sesame/matcher"
)

// packet decodes hex in which blanks and everything from a # to the end of the
// line do not count.
func packet(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func addr(s string) matcher.Addr { return netip.MustParseAddr(s).As16() }

// firstByte replaces the first byte, which is 45 in ip4TCP.
func firstByte(b, text string) string { return strings.Replace(text, "45", b, 1) }

const (
	ip4TCP = `
		45 00 0028         # version 4, 5 words; TOS; total length 40
		1234 4000          # identification; don't fragment
		40 06 0000         # TTL 64; TCP; checksum
		c0000207 cb007101  # 192.0.2.7 to 203.0.113.1
	`
	ip4UDP = `
		45 00 001c 1234 0000
		40 11 0000         # UDP
		c0000207 cb007101
	`
	ip6 = `
		60000000 0014 ` // version 6; payload length; next header and what follows come behind
	ip6Addrs = ` 40 20010db8000000000000000000000007 20010db8000000000000000000000001 `
	tcpSYN   = `
		d431 1b58          # source port; destination port 7000
		00000001 00000000  # sequence and acknowledgement numbers
		50 02 ffff         # 5 words; SYN; window
		0000 0000          # checksum; urgent pointer
	`
	udp9 = `
		d431 0009 0008 0000 # source port; destination port 9; length; checksum
	`
)

func TestParse(t *testing.T) {
	syn4 := matcher.Packet{
		Src: addr("192.0.2.7"), Dst: addr("203.0.113.1"),
		Port: matcher.Port{Number: 7000, Proto: matcher.TCP}, Flags: matcher.SYN,
	}
	udp4 := syn4
	udp4.Port, udp4.Flags = matcher.Port{Number: 9, Proto: matcher.UDP}, 0
	syn6, udp6 := syn4, udp4
	syn6.Src, syn6.Dst = addr("2001:db8::7"), addr("2001:db8::1")
	udp6.Src, udp6.Dst = syn6.Src, syn6.Dst

	for _, tt := range []struct {
		name    string
		hex     string
		want    matcher.Packet
		verdict Verdict
	}{
		{"TCP", ip4TCP + tcpSYN, syn4, Knock},
		{"UDP", ip4UDP + udp9, udp4, Knock},
		{"options", firstByte("46", ip4TCP) + "94040000 " + tcpSYN, syn4, Knock},
		{"padding", ip4UDP + udp9 + "000000000000", udp4, Knock},
		{"first fragment", strings.Replace(ip4TCP, "1234 4000", "1234 2000", 1) + tcpSYN, syn4, Knock},
		{"later fragment", strings.Replace(ip4TCP, "1234 4000", "1234 0001", 1) + tcpSYN, matcher.Packet{}, Fragment},
		{"ICMP", strings.Replace(ip4TCP, "40 06", "40 01", 1) + tcpSYN, matcher.Packet{}, NotPort},
		{"IHL 4", firstByte("44", ip4TCP) + tcpSYN, matcher.Packet{}, Malformed},
		{"IHL beyond the end", firstByte("4f", ip4TCP) + tcpSYN, matcher.Packet{}, Truncated},
		{"version 5", firstByte("55", ip4TCP) + tcpSYN, matcher.Packet{}, NotIP},
		{"empty", "", matcher.Packet{}, Truncated},
		{"one byte", "45", matcher.Packet{}, Truncated},
		{"TCP header cut", ip4TCP + "d431 1b58 00000001 00000000 50 02", matcher.Packet{}, Truncated},
		{"UDP header cut", ip4UDP + "d431 0009 0008", matcher.Packet{}, Truncated},

		{"IPv6 TCP", ip6 + "06" + ip6Addrs + tcpSYN, syn6, Knock},
		{"IPv6 UDP", ip6 + "11" + ip6Addrs + udp9, udp6, Knock},
		{"IPv6 header cut", ip6 + "06 40 20010db8", matcher.Packet{}, Truncated},
		{"hop-by-hop", ip6 + "00" + ip6Addrs + "06 00 050200000100" + tcpSYN, syn6, Knock},
		{"destination options of 16 bytes", ip6 + "3c" + ip6Addrs + "11 01 010c000000000000000000000000" + udp9, udp6, Knock},
		{"routing, then fragment", ip6 + "2b" + ip6Addrs + "2c 00 000000000000" + "06 00 0001 00000001" + tcpSYN, syn6, Knock},
		{"authentication", ip6 + "33" + ip6Addrs + "06 01 0000 00000001 00000001" + tcpSYN, syn6, Knock},
		{"IPv6 later fragment", ip6 + "2c" + ip6Addrs + "06 00 0009 00000001" + tcpSYN, matcher.Packet{}, Fragment},
		{"no next header", ip6 + "3b" + ip6Addrs, matcher.Packet{}, NotPort},
		{"ESP", ip6 + "32" + ip6Addrs + tcpSYN, matcher.Packet{}, NotPort},
		{"extension header cut", ip6 + "00" + ip6Addrs + "06 00 0502", matcher.Packet{}, Truncated},
		{"extension length beyond the end", ip6 + "00" + ip6Addrs + "06 09 050200000100" + tcpSYN, matcher.Packet{}, Truncated},
		{"mapped source", strings.Replace(ip6+"06"+ip6Addrs, "20010db8000000000000000000000007", "00000000000000000000ffffc0000207", 1) + tcpSYN, matcher.Packet{}, Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := matcher.Packet{Src: addr("::1"), Local: true} // what a call before left
			verdict := Parse(packet(t, tt.hex), &got)
			if verdict != tt.verdict {
				t.Fatalf("verdict %v, want %v", verdict, tt.verdict)
			}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestParseEveryLength cuts good packets at every length: what is cut is never
// a knock, and nothing is read behind the end.
func TestParseEveryLength(t *testing.T) {
	for _, text := range []string{
		ip4TCP + tcpSYN,
		ip4UDP + udp9,
		ip6 + "00" + ip6Addrs + "3c 00 050200000100" + "06 00 010400000000" + tcpSYN,
		ip6 + "2c" + ip6Addrs + "11 00 0001 00000001" + udp9,
	} {
		whole := packet(t, text)
		for n := range whole {
			cut := append(make([]byte, 0, n), whole[:n]...)
			var p matcher.Packet
			if v := Parse(cut, &p); v != Truncated || p != (matcher.Packet{}) {
				t.Errorf("%d of %d bytes: %v, %+v", n, len(whole), v, p)
			}
		}
	}
}

func TestParseNoAllocs(t *testing.T) {
	b4, b6 := packet(t, ip4TCP+tcpSYN), packet(t, ip6+"00"+ip6Addrs+"06 00 050200000100"+tcpSYN)
	var p matcher.Packet
	if n := testing.AllocsPerRun(1000, func() { Parse(b4, &p); Parse(b6, &p) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		ip4TCP + tcpSYN, ip4UDP + udp9, ip6 + "06" + ip6Addrs + tcpSYN,
		ip6 + "2b" + ip6Addrs + "2c 00 000000000000" + "06 00 0001 00000001" + tcpSYN,
		ip6 + "33" + ip6Addrs + "06 01 0000 00000001 00000001" + tcpSYN,
	} {
		f.Add(packet(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := matcher.Packet{Local: true}
		v := Parse(b[:len(b):len(b)], &p)
		if v >= Verdicts {
			t.Fatalf("verdict %d", v)
		}
		if v != Knock {
			if p != (matcher.Packet{}) {
				t.Fatalf("%v, but the packet is %+v", v, p)
			}
			return
		}
		if p.Local || p.Port.Proto != matcher.TCP && p.Port.Proto != matcher.UDP || p.Src.Is4() != (b[0]>>4 == 4) || p.Dst.Is4() != p.Src.Is4() {
			t.Fatalf("%+v", p)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"IPv4": ip4TCP + tcpSYN,
		"IPv6": ip6 + "06" + ip6Addrs + tcpSYN,
	} {
		data := packet(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var p matcher.Packet
			for b.Loop() {
				Parse(data, &p)
			}
		})
	}
}
