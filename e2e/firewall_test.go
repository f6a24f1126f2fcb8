package e2e_test

import (
	"strings"
	"testing"

	"sesame/e2e/suite"
)

// firewall is one way to open port 22 for an address.
type firewall struct {
	name     string
	programs []string
	setup    []string // shell commands on the gateway: drop what comes in
	start    string
	stop     string
	added    string // what the start command prints into the log
	removed  string
	list     []string
	lease    string // seconds
}

var firewalls = []firewall{{
	name:     "iptables",
	programs: []string{"iptables"},
	setup:    []string{"iptables -P INPUT DROP", "ip6tables -P INPUT DROP"},
	start:    "/usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && echo added",
	stop:     "/usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && echo removed",
	added:    "added",
	removed:  "removed",
	list:     []string{"iptables", "-S"},
	lease:    "3",
}, {
	name:     "nftables",
	programs: []string{"nft"},
	setup: []string{
		"nft add table inet gate",
		"nft add set inet gate friends '{ type ipv4_addr; }'",
		"nft add chain inet gate input '{ type filter hook input priority 0; policy drop; }'",
		"nft add rule inet gate input ip saddr @friends tcp dport 22 accept",
	},
	start:   "/usr/sbin/nft add element inet gate friends '{ %IP% }' && echo added",
	stop:    "/usr/sbin/nft delete element inet gate friends '{ %IP% }' && echo removed",
	added:   "added",
	removed: "removed",
	list:    []string{"nft", "list", "ruleset"},
	lease:   "3",
}, {
	name:     "ufw",
	programs: []string{"ufw", "iptables"},
	setup:    []string{"ufw --force reset", "ufw default deny incoming", "ufw --force enable"},
	start:    "/usr/sbin/ufw allow from %IP% to any port 22 proto tcp",
	stop:     "/usr/sbin/ufw delete allow from %IP% to any port 22 proto tcp",
	added:    "Rule added", // ufw's own words
	removed:  "Rule deleted",
	list:     []string{"ufw", "status"},
	lease:    "5",
}}

func TestFirewallOpensForKnockerOnly(t *testing.T) {
	t.Parallel()
	for _, fw := range firewalls {
		t.Run(fw.name, func(t *testing.T) {
			t.Parallel()
			suite.Need(t, fw.programs...)
			testFirewall(t, fw)
		})
	}
}

func testFirewall(t *testing.T, fw firewall) {
	l := newLab(t)
	for _, line := range fw.setup {
		l.run("sh", "-c", line)
	}
	l.listen("22")
	d := l.start(`
[openSSH]
	sequence = 7000,8000,9000
	seq_timeout = 5
	tcpflags = syn
	start_command = ` + fw.start + `
	cmd_timeout = ` + fw.lease + `
	stop_command = ` + fw.stop + "\n")
	l.wantShut(fw, "before the knock")
	l.knock(gateway, "7000", "8000", "9000")
	for _, line := range []string{
		client + ": openSSH: Stage 1",
		client + ": openSSH: Stage 2",
		client + ": openSSH: Stage 3",
		client + ": openSSH: OPEN SESAME",
		"openSSH: running command: " + strings.ReplaceAll(fw.start, "%IP%", client),
	} {
		d.wait(line)
	}
	d.hear(fw.added)
	l.wantOpen(fw)
	if d.Count(has("openSSH: command timeout")) > 0 {
		t.Log("the lease ended while it was looked at")
	}
	d.wait(client + ": openSSH: command timeout")
	d.wait("openSSH: running command: " + strings.ReplaceAll(fw.stop, "%IP%", client))
	d.hear(fw.removed)
	l.wantShut(fw, "after the lease")
	d.want("OPEN SESAME", 1)
	d.want("non-zero", 0)
}

// wantOpen checks that the client and nobody else is let in.
func (l *lab) wantOpen(fw firewall) {
	l.t.Helper()
	list := l.run(fw.list[0], fw.list[1:]...)
	if !strings.Contains(list, client) || strings.Count(list, "192.0.2.") != 1 {
		l.t.Errorf("while open the firewall must let in %s and nobody else:\n%s", client, list)
	}
	if !l.reach(client) {
		l.t.Errorf("while open %s cannot connect", client)
	}
	if l.reach(other) {
		l.t.Errorf("%s, who did not knock, can connect", other)
	}
}

func (l *lab) wantShut(fw firewall, when string) {
	l.t.Helper()
	if list := l.run(fw.list[0], fw.list[1:]...); strings.Contains(list, "192.0.2.") {
		l.t.Errorf("%s the firewall lets somebody in:\n%s", when, list)
	}
	if l.reach(client) {
		l.t.Errorf("%s %s can connect", when, client)
	}
}

// The packet is dropped before any rule of the gateway's INPUT chain.
func TestDroppedPacketsAreHeard(t *testing.T) {
	t.Parallel()
	suite.Need(t, "nft")
	l := newLab(t)
	l.run("nft", "add table inet wall")
	l.run("nft", "add chain inet wall pre { type filter hook prerouting priority raw; policy drop; }")
	d := l.start(`
[door]
	sequence = 7000,8000:udp,9000
	tcpflags = syn
	command = echo heard %IP%
`)
	l.knock(gateway, "7000", "8000:udp", "9000")
	d.wait(client + ": door: OPEN SESAME")
	d.hear("heard " + client)
}
