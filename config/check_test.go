package config

import (
	"errors"
	"strings"
	"testing"
)

// installed stands for a machine with a firewall and a few tools.
func installed(prog string) error {
	switch prog {
	case "ufw", "/usr/sbin/ufw", "/sbin/iptables", "iptables", "ip6tables", "nft", "true":
		return nil
	}
	if shellWord(prog) {
		return nil
	}
	return errors.New("not found in PATH")
}

func TestCheckGolden(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		warnings   int
		want       string
	}{
		{"the file that knockd is packaged with", `[options]
	UseSyslog

[openSSH]
	sequence    = 7000,8000,9000
	seq_timeout = 5
	command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn

[closeSSH]
	sequence    = 9000,8000,7000
	seq_timeout = 5
	command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn

[openHTTPS]
	sequence    = 12345,54321,24680,13579
	seq_timeout = 5
	command     = /usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%
	tcpflags    = syn
`, 1, `  interface      eth0 (default)
  log            syslog
  pidfile        /var/run/knockd.pid (default)
  statefile      in /var/lib/sesame (default)

openSSH (line 4)
  sequence       7000/tcp 8000/tcp 9000/tcp
  seq_timeout    5 s
  tcpflags       syn
  target         this machine's own addresses
  start_command  /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT

closeSSH (line 10)
  sequence       9000/tcp 8000/tcp 7000/tcp
  seq_timeout    5 s
  tcpflags       syn
  target         this machine's own addresses
  start_command  /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT

openHTTPS (line 16)
  sequence       12345/tcp 54321/tcp 24680/tcp 13579/tcp
  seq_timeout    5 s
  tcpflags       syn
  target         this machine's own addresses
  start_command  /usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%

3 doors, 1 warning
f:16: openHTTPS: start_command: cannot run "/usr/local/sbin/knock_add": not found in PATH; install it or correct the path
note: f:4: openSSH: the scan guard sees scans with SYN alone, this door takes other packets as well; set tcpflags = syn,!ack, as at 2 other doors
`},
		{"every row", `[options]
logfile = /var/log/knockd.log
UseSyslog
interface = wan
pidfile = /run/x
[mail door]
one_time_sequences = /seq
tcpflags = syn,!ack
seq_timeout = 15
target = 192.0.2.9
start_command = iptables -I INPUT -s %IP% -j ACCEPT
start_command_6 = ip6tables -I INPUT -s %IP% -j ACCEPT
cmd_timeout = 5
stop_command = iptables -D INPUT -s %IP% -j ACCEPT
stop_command_6 = ip6tables -D INPUT -s %IP% -j ACCEPT
cooldown = 60
[game]
sequence = 19132:udp
command_6 = true
`, 0, `  interface           wan
  log                 /var/log/knockd.log and syslog
  pidfile             /run/x
  statefile           in /var/lib/sesame (default)

mail door (line 6)
  one_time_sequences  /seq, line 2 in force
  sequence            3/tcp 4/udp
  seq_timeout         15 s
  tcpflags            syn !ack
  target              192.0.2.9
  start_command       iptables -I INPUT -s %IP% -j ACCEPT
  start_command_6     ip6tables -I INPUT -s %IP% -j ACCEPT
  cmd_timeout         5 s
  stop_command        iptables -D INPUT -s %IP% -j ACCEPT
  stop_command_6      ip6tables -D INPUT -s %IP% -j ACCEPT
  cooldown            60 s

game (line 17)
  sequence            19132/udp
  seq_timeout         25 s
  target              this machine's own addresses
  start_command       none: an opening is only logged
  start_command_6     true

2 doors, 0 warnings
`},
		{"what a terminal must not be sent", "[a\x1b[2J]\nsequence = 1\ncommand = echo \x1b[2J\n", 0, `  interface      eth0 (default)
  log            standard error (default)
  pidfile        /var/run/knockd.pid (default)
  statefile      in /var/lib/sesame (default)

"a\x1b[2J" (line 1)
  sequence       1/tcp
  seq_timeout    25 s
  tcpflags       any TCP packet counts
  target         this machine's own addresses
  start_command  "echo \x1b[2J"

1 door, 0 warnings
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseText(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			n := Check(&b, c, installed)
			if n != tt.warnings || b.String() != tt.want {
				t.Errorf("%d warnings, want %d; got\n%s\nwant\n%s", n, tt.warnings, b.String(), tt.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	const (
		rise  = "the ports only rise, so a plain port scan knocks them in this order"
		fall  = "the ports only fall, so a port scan from high to low knocks them in this order"
		mix   = "; change their order"
		other = "the scan guard sees scans with SYN alone, this door takes other packets as well; set tcpflags = syn,!ack"
		third = "; add a third port that breaks the order"
		leave = "start_command adds a rule and nothing takes it back; set cmd_timeout and stop_command"
		noIP  = " has no %IP% but the start command has; name the address that it shuts the door for"
	)
	door := "[a]\nsequence=3,1,2\n"
	for _, tt := range []struct{ name, text, want string }{
		{"rising, guarded", "[a]\nsequence=1,2,3\ntcpflags=syn,!ack\n[options]\nscan_guard=yes\n", ""},
		{"guarded from SYN alone", "[a]\nsequence=1,2,3\ntcpflags=syn\n[options]\nscan_guard=yes\n", "note: f:1: a: " + other},
		{"guarded, any flags", "[a]\nsequence=1,2,3\n[b]\nsequence=1\n[c]\nsequence=2:udp,4:udp\n[options]\nscan_guard=yes\n", "f:3: b: its sequence is the beginning of a (line 1), so a knock at that one opens this one on the way; change one of them\nnote: f:1: a: " + other},
		{"two guarded, any flags", "[a]\nsequence=3,1,2\n[b]\nsequence=9,7,8\n[options]\nscan_guard=yes\n", "note: f:1: a: " + other + ", as at 1 other door"},
		{"rising", "[a]\nsequence=1,2,3\n", "f:1: a: " + rise + mix},
		{"falling", "[a]\nsequence=3:udp,2:udp,1:udp\n", "f:1: a: " + fall + mix},
		{"two rising", "[a]\nsequence=1,2\n", "f:1: a: " + rise + third},
		{"two falling", "[a]\nsequence=2,1\n", "f:1: a: " + fall + third},
		{"rising one-time", "[a]\none_time_sequences=/seq-bad\n", `/seq-bad:1: one_time_sequences: "x"` + notPort + "\n/seq-bad:3: one_time_sequences: " + noPort +
			"\nf:1: a: " + rise + third + " on line 2 of /seq-bad"},
		{"both protocols", "[a]\nsequence=1,2,3:udp\n", ""},
		{"repeat", "[a]\nsequence=1,1,2\n", ""},
		{"one port", "[a]\nsequence=22\n", ""},
		{"mixed order", "[a]\nsequence=1,3,2\n", ""},

		{"prefix", "[a]\nsequence=3,1,2\n[b]\nsequence=3,1,2,9\n", "f:1: a: its sequence is the beginning of b (line 3), so a knock at that one opens this one on the way; change one of them"},
		{"prefix of several", "[b]\nsequence=3,1,2,9\n[c]\nsequence=3,1,2,8\n[a]\nsequence=3,1,2\n", "f:5: a: its sequence is the beginning of b (line 1), so a knock at that one opens this one on the way; change one of them"},
		{"part", "[a]\nsequence=7\n[b]\nsequence=3,7,2\n", "f:1: a: its sequence is a part of b (line 3), so a knock at that one opens this one on the way; change one of them"},
		{"part with others between", "[a]\nsequence=9,7,8\n[b]\nsequence=9,2,7,8\n", "f:1: a: its sequence is a part of b (line 3), so a knock at that one opens this one on the way; change one of them"},
		{"part out of order", "[a]\nsequence=7,9,4\n[b]\nsequence=9,7,4,8\n", ""},
		{"same ports, other protocol", "[a]\nsequence=3:udp,1:udp,2:udp\n[b]\nsequence=3,1,2,9\n", ""},
		{"prefix, other target", "[a]\nsequence=3,1,2\ntarget=192.0.2.1\n[b]\nsequence=3,1,2,9\n", ""},
		{"prefix, opposite flags", "[a]\nsequence=3,1,2\ntcpflags=syn,!ack\n[b]\nsequence=3,1,2,9\ntcpflags=syn,ack\n", ""},
		{"prefix, opposite flags, UDP", "[a]\nsequence=3:udp\ntcpflags=!ack\n[b]\nsequence=3:udp,1,2,9\ntcpflags=ack\n", "f:1: a: its sequence is the beginning of b (line 4), so a knock at that one opens this one on the way; change one of them"},
		{"equal", "[a]\nsequence=3,1,2\n[b]\nsequence=3,1,2\n", "note: f:3: b: same sequence as a (line 1): one knock opens both"},
		{"equal, opposite flags", "[a]\nsequence=3,1,2\ntcpflags=!ack\n[b]\nsequence=3,1,2\ntcpflags=ack\n", ""},

		{"stop for nobody", door + "command=ufw x %IP%\nstop_command=ufw reset\n", "f:1: a: stop_command" + noIP},
		{"stop for nobody over IPv6", door + "command=ufw x %IP%\nstop_command=ufw y %IP%\nstop_command_6=ufw reset\n", "f:1: a: stop_command_6" + noIP},
		{"start for nobody", door + "command=ufw x\nstop_command=ufw reset\n", ""},
		{"stop without start", door + "stop_command=ufw reset\n", "f:1: a: stop_command never runs, because there is no start_command; set one, or remove it"},
		{"start for IPv4 only", door + "command=ufw x\ncommand_6=\nstop_command=ufw reset\n", ""},
		{"start for IPv4 only, stop for both", door + "command=ufw x\ncommand_6=\nstop_command=ufw reset\nstop_command_6=ufw y\n", "f:1: a: stop_command_6 never runs, because there is no start_command_6; set one, or remove it"},

		{"left open", door + "command=iptables -I INPUT -s %IP% -j ACCEPT\n", "f:1: a: " + leave},
		{"left open, ufw", door + "command=ufw allow from %IP%\n", "f:1: a: " + leave},
		{"left open over IPv6", door + "command=iptables -A x\nstop_command=iptables -D x\nstop_command_6=\n", "f:1: a: for a knock over IPv6 start_command adds a rule and nothing takes it back; set stop_command_6"},
		{"shut by another door", door + "command=/sbin/iptables -A x\n[b]\nsequence=8,7,9\ncommand=iptables -D x\n", ""},
		{"another door's stop shuts only that one", door + "command=iptables -A x\n[b]\nsequence=8,7,9\ncommand=iptables -A y\nstop_command=iptables -D y\n", "f:1: a: " + leave},
		{"shut by the kernel", door + "command=nft add element inet fw k { %IP% timeout 60s }\n", ""},
		{"ban", door + "command=iptables -A INPUT -s %IP% -j DROP\n", ""},
		{"no rule", door + "command=nft list ruleset\n", ""},

		{"program missing", door + "command=frob %IP%\n", `f:1: a: start_command: cannot run "frob": not found in PATH; install it or write its whole path`},
		{"program missing twice", door + "command=frob\nstop_command=frob\n[b]\nsequence=8,7,9\ncommand=frob\n", `f:1: a: start_command: cannot run "frob": not found in PATH; install it or write its whole path (also used by 1 other door)`},
		{"second program missing", door + "command=true && /x/y\n", `f:1: a: start_command: cannot run "/x/y": not found in PATH; install it or correct the path`},
		{"in line order", "[a]\nsequence=3,1,2\ncommand=frob\n[b]\nsequence=8,9\n", `f:1: a: start_command: cannot run "frob": not found in PATH; install it or write its whole path` + "\nf:4: b: " + rise + third},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseText(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(tt.text, "scan_guard") {
				c.ScanGuard = false // which says less of scans
			}
			var b strings.Builder
			n := Check(&b, c, installed)
			_, got, _ := strings.Cut(b.String(), plural(len(c.Doors), "door")+", "+plural(n, "warning")+"\n")
			if got = strings.TrimSuffix(got, "\n"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if lines := strings.Count(got, "\n") + 1 - strings.Count(got, "note: "); got != "" && lines != n {
				t.Errorf("%d lines of warnings, %d counted", lines, n)
			}
		})
	}
}
