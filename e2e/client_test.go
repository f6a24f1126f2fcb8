package e2e_test

import (
	"fmt"
	"strings"
	"time"

	"sesame/e2e/netns"
)

// knock runs knockd's client.
func (l *lab) knock(args ...string) {
	l.t.Helper()
	if err := l.cl.Run("knock", append([]string{"-d", "10"}, args...)...); err != nil {
		l.t.Fatal(err)
	}
}

// send sends finished packets from the client.
func (l *lab) send(packets ...[]byte) {
	l.t.Helper()
	var hex strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&hex, "%x\n", p)
	}
	cmd := l.cl.Helper("send")
	cmd.Stdin = strings.NewReader(hex.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("send: %v: %s", err, out)
	}
}

// syns returns a SYN from src for each port.
func syns(src string, ports ...uint16) [][]byte {
	var list [][]byte
	for _, p := range ports {
		list = append(list, netns.TCP(src, gateway, p, netns.SYN))
	}
	return list
}

// settle returns when the daemon has looked at every packet sent before: it
// opens the sentinel, from an address of its own, and packets keep their order.
func (l *lab) settle(d *process) {
	l.t.Helper()
	src := fmt.Sprintf("192.0.2.%d", 200+l.sentinels.Add(1))
	l.send(syns(src, 50111, 40222)...)
	d.wait(src + ": sentinel: OPEN SESAME")
}

// listen accepts TCP connections on the gateway.
func (l *lab) listen(port string) {
	l.t.Helper()
	l.helper(l.gw, "listening", "listen", gateway+":"+port)
}

// reach says whether src can connect to port 22 of the gateway. A firewall
// that drops gives no answer, so no is known only by waiting a little.
func (l *lab) reach(src string) bool {
	l.t.Helper()
	const patience = 400 * time.Millisecond
	out, err := l.cl.Helper("dial", src, gateway+":22", patience.String()).CombinedOutput()
	if err == nil {
		return strings.TrimSpace(string(out)) == netns.Greeting
	}
	if !strings.Contains(string(out), "timeout") {
		l.t.Errorf("connect from %s: %v: %s", src, err, out)
	}
	return false
}
