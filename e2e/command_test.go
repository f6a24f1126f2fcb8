package e2e_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// fifo makes a named pipe; opening it for reading blocks until a writer comes.
func (l *lab) fifo(name string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// gate holds commands that read from it until it is opened.
type gate struct {
	l    *lab
	path string
	file *os.File // keeps readers waiting, not for a writer but for a line
}

func (l *lab) gate(name string) *gate {
	l.t.Helper()
	g := &gate{l: l, path: l.fifo(name)}
	var err error
	if g.file, err = os.OpenFile(g.path, os.O_RDWR, 0); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(g.open) // so that no command outlives the test
	return g
}

// open lets all go on that wait, and all that come.
func (g *gate) open() {
	g.l.t.Helper()
	if g.file == nil {
		return
	}
	if err := os.Rename(g.l.file(filepath.Base(g.path)+".open", ""), g.path); err != nil {
		g.l.t.Error(err)
	}
	g.file.Close()
	g.file = nil
}

func TestFailingCommandIsLogged(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start(`
[broken]
	sequence = 7000,8000,9000
	tcpflags = syn
	start_command = exit 3
	cmd_timeout = 1
	stop_command = echo stop runs all the same; exit 4
`)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait("broken: running command: exit 3")
	d.wait("broken: command returned non-zero status code (3)")
	d.wait(client + ": broken: command timeout")
	d.hear("stop runs all the same")
	d.wait("broken: command returned non-zero status code (4)")
}

func TestShellSyntax(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start(`
[shell]
	sequence = 7000,8000,9000
	tcpflags = syn
	command = a="%IP%/32"; echo one $a | tr o 0; (echo two >&2) # %IP%
`)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait(`shell: running command: a="` + client + `/32"; echo one $a | tr o 0; (echo two >&2) # ` + client)
	d.hear("0ne " + client + "/32")
	d.hear("two")
}

func TestDoorWithoutCommandStillLogs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start("")
	l.settle(d)
	d.want("running command", 0)
}

func TestHungCommandHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it waits for a command without stop_command")
	l := newLab(t)
	gate := l.gate("gate")
	d := l.start(`
[hung]
	sequence = 7000,8000,9000
	tcpflags = syn
	command = read line < ` + gate.path + `; echo let go
[hung with stop]
	sequence = 7100,8100,9100
	tcpflags = syn
	start_command = read line < ` + gate.path + `
	cmd_timeout = 1
	stop_command = echo too early
[swift]
	sequence = 6000,5000,4000
	tcpflags = syn
	start_command = echo swift start
	cmd_timeout = 1
	stop_command = echo swift stop
`)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait("hung: running command")
	l.knock(gateway, "7100", "8100", "9100")
	d.wait("hung with stop: running command")
	l.knock(gateway, "6000", "5000", "4000")
	d.hear("swift start")
	d.hear("swift stop")
	if d.Count(output("let go")) > 0 {
		t.Error("the hung command went on before it could")
	}
	d.want("too early", 0)
	gate.open()
	d.hear("let go")
	d.hear("too early")
}

func TestKnockWhileOpenRunsNothing(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it adds the rule once more")
	l := newLab(t)
	d := l.start(`
[door]
	sequence = 7000,8000,9000
	tcpflags = syn
	start_command = echo start %IP%
	cmd_timeout = 600
	stop_command = echo stop %IP%
`)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait("door: running command: echo start " + client)
	l.knock(gateway, "7000", "8000", "9000")
	l.settle(d)
	d.want("running command: echo start", 1)
	l.send(syns(other, 7000, 8000, 9000)...)
	d.wait("door: running command: echo start " + other)
}
