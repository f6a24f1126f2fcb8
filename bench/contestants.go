package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// contestant is a system that is measured.
type contestant struct {
	name, version string
	absent        string // why it is not here; "": it is
	path          string // the daemon; "": rules in the kernel
	floor         bool   // floor.c, which has no configuration and no addresses
}

const (
	noCommand = "n/a: nftables runs no command"
	noProcess = "n/a: no process"
)

//go:embed floor.c
var floorSource []byte

// enlist finds the contestants.
func (b *bench) enlist(sesame string) (err error) {
	nft, err := exec.Command("nft", "--version").Output()
	if err != nil {
		return fmt.Errorf("nft sets up the gateway's firewall for all contestants; install nftables: %w", err)
	}
	if sesame == "" {
		if sesame, err = b.build(); err != nil {
			return err
		}
	}
	if sesame, err = filepath.Abs(sesame); err != nil {
		return err
	}
	version, err := exec.Command(sesame, "-V").Output()
	if err != nil {
		return fmt.Errorf("%s -V: %w", sesame, err)
	}
	knockd := &contestant{name: "knockd"}
	if knockd.path, err = exec.LookPath("knockd"); err != nil {
		knockd.absent = "n/a: knockd is not installed"
	} else if out, err := exec.Command(knockd.path, "-V").Output(); err == nil {
		knockd.version = firstLine(out)
	}
	b.contestants = []*contestant{
		{name: "sesame", path: sesame, version: firstLine(version)},
		knockd,
		{name: "nftables", version: firstLine(nft)},
	}
	b.floor = &contestant{name: "floor", path: filepath.Join(b.dir, "floor"), floor: true}
	source := b.floor.path + ".c"
	if err := os.WriteFile(source, floorSource, 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("cc", "-O2", "-o", b.floor.path, source).CombinedOutput(); err != nil {
		b.floor.absent = strings.TrimSpace(fmt.Sprintf("n/a: cc: %v %s", err, out))
	}
	return nil
}

// withFloor returns all contestants and the floor.
func (b *bench) withFloor() []*contestant { return append(slices.Clip(b.contestants), b.floor) }

// build builds the repository's daemon as packaging/cross.sh does.
func (b *bench) build() (string, error) {
	path := filepath.Join(b.dir, "sesame")
	version := "dev"
	if out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		version = firstLine(out)
	}
	if err := suite.BuildDaemon(path, []string{"-buildvcs=false", "-ldflags=-s -w -X main.version=" + version}, nil); err != nil {
		return "", fmt.Errorf("%w (run it in the repository, or give -sesame)", err)
	}
	return path, nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// subject is a contestant at work on a bed.
type subject struct {
	*contestant
	bed       *bed
	lease     time.Duration
	conf, log string
	process   *netns.Process // nil: rules in the kernel
}

const (
	seqTimeout = 5 * time.Second
	longLease  = 600 * time.Second // longer than any experiment
)

// begin starts a contestant. With marks, open doors are files in the folder
// marks.
func (d *bed) begin(c *contestant, lease time.Duration, marks string) (*subject, error) {
	s := &subject{contestant: c, bed: d, lease: lease}
	if c.path != "" && !c.floor {
		s.conf, s.log = filepath.Join(d.dir, "knockd.conf"), filepath.Join(d.dir, "log")
		if err := os.WriteFile(s.conf, []byte(s.config(marks)), 0o600); err != nil {
			return nil, err
		}
	}
	return s, s.run()
}

// config is one for sesame and knockd alike.
func (s *subject) config(marks string) string {
	start, stop := "echo %IP% > "+s.bed.pipe.path, "true %IP%"
	if marks != "" {
		start = "touch " + marks + "/%IP%; " + start
		stop = "rm " + marks + "/%IP%"
	}
	text := "[options]\n\tLogFile = " + s.log + "\n"
	for _, p := range []protocol{tcp, udp} {
		text += fmt.Sprintf("[%s]\n\tsequence = %[2]d:%[1]s,%[3]d:%[1]s,%[4]d:%[1]s\n\tseq_timeout = %[5]d\n\ttcpflags = syn\n"+
			"\tstart_command = %[6]s\n\tcmd_timeout = %[7]d\n\tstop_command = %[8]s\n",
			p.name, p.ports[0], p.ports[1], p.ports[2], int(seqTimeout.Seconds()), start, int(s.lease.Seconds()), stop)
	}
	return text
}

// run starts it, again after end.
func (s *subject) run() (err error) {
	if s.path == "" {
		return s.bed.firewall(guard(knockRules(s.lease)))
	}
	if err := s.bed.firewall(guard(closed)); err != nil {
		return err
	}
	args := []string{"-i", netns.GatewayIf, "-c", s.conf}
	if s.floor {
		args = []string{netns.GatewayIf, fmt.Sprint(tcp.ports[2]), "echo " + anyone + " > " + s.bed.pipe.path}
	}
	if s.process, err = netns.Start(s.bed.gateway.Command(s.path, args...)); err != nil {
		return err
	}
	return s.awake()
}

// anyone is what floor.c's command writes, which knows no address.
const anyone = "anyone"

// key is what is written to the pipe when src opens a door.
func (s *subject) key(src netip.Addr) string {
	if s.floor {
		return anyone
	}
	return src.String()
}

// awake knocks, from addresses that nothing else uses, until a door opens:
// knockd says that it listens some time before it does.
func (s *subject) awake() error {
	for end := time.Now().Add(netns.Deadline); time.Now().Before(end) && !s.process.Exited(); {
		src := nth(probing4, s.bed.woken)
		s.bed.woken++
		for _, port := range tcp.ports {
			if err := s.bed.out.one(tcp.packet(src, port)); err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond)
		}
		if _, ok := s.bed.pipe.await(s.key(src), 100*time.Millisecond); ok {
			s.bed.pipe.forget(anyone)
			return nil
		}
	}
	return fmt.Errorf("%s does not open a door; it printed %q and logged to %s:\n%s",
		s.name, s.process.Lines(), s.log, s.tail())
}

// tail is the end of the log.
func (s *subject) tail() string {
	text, _ := os.ReadFile(s.log) // one that is not there is empty
	return string(text[max(0, len(text)-600):])
}

// opened returns the addresses that have opened a door, and when, which is not
// known of rules.
func (s *subject) opened() (map[string]time.Duration, error) {
	if s.path != "" {
		return s.bed.pipe.lines(), nil
	}
	list := map[string]time.Duration{}
	for _, set := range []string{"open4", "open6"} {
		text, err := s.bed.gateway.Output("nft", "list", "set", "inet", "guard", set)
		if err != nil {
			return nil, err
		}
		for _, a := range elements(text) {
			list[a.String()] = 0
		}
	}
	return list, nil
}

// usage is the daemon's own, without the commands that it runs.
func (s *subject) usage() (usage, error) {
	if s.process == nil {
		return usage{}, errors.New("no process")
	}
	pid, err := s.process.PID()
	if err != nil {
		return usage{}, err
	}
	return usageOf(pid)
}

// logged returns the length of the log.
func (s *subject) logged() int64 {
	info, err := os.Stat(s.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// end takes a contestant off the gateway at once, with all its processes.
func (s *subject) end() error {
	if s.process == nil {
		return s.bed.firewall(guard(closed))
	}
	all, err := s.bed.gateway.Processes()
	if err != nil {
		return err
	}
	for pid, line := range all {
		// Only the daemon and its forks have its command line.
		if strings.HasPrefix(line, s.path+" ") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				return err
			}
		}
	}
	_, err = s.process.Exit(netns.Deadline)
	return err
}
