package config

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// manyDoors is a configuration of n doors with ports and commands of the
// usual length.
func manyDoors(n int) string {
	var b strings.Builder
	b.WriteString("[options]\nUseSyslog\n")
	for i := range n {
		fmt.Fprintf(&b, `[door %d]
	sequence      = %d,%d:udp,%d
	seq_timeout   = 15
	tcpflags      = syn
	start_command = /usr/sbin/iptables -A INPUT -s %%IP%% -p tcp --dport %d -j ACCEPT
	cmd_timeout   = 30
	stop_command  = /usr/sbin/iptables -D INPUT -s %%IP%% -p tcp --dport %d -j ACCEPT
`, i, 10000+i, 30000+i, 20000+i, 1+i, 1+i)
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := manyDoors(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(strings.NewReader(text), "f", oneTimeFiles); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheck1000(b *testing.B) {
	c, err := parseText(manyDoors(1000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Check(io.Discard, c, installed)
	}
}
