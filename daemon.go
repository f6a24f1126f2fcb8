package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/control"
	"sesame/exec"
	"sesame/matcher"
)

const (
	// closeTime is how long a clean exit waits for the stop commands of open
	// doors, in all.
	closeTime = 10 * time.Second

	// startTime is how long it lets start commands run, in all, before it sends
	// them SIGTERM, and killTime the same for SIGKILL: doors that are half open
	// can be shut only then.
	startTime = 4 * time.Second
	killTime  = 6 * time.Second

	// garbage is how much of it may lie about before it is collected, in percent
	// of what is in use. Go's 100 means at least 4 MiB, more than all the rest.
	// Nothing is made for a packet, so that collections are rare all the same.
	garbage = 20

	// manyOpenings is after how many it is worth to return memory, which takes
	// about a millisecond.
	manyOpenings = 64

	// reportPause is the least time between two reports of lost packets.
	reportPause = 10 * time.Second
)

// daemon owns everything that lives as long as the process. All of it is used
// from one goroutine.
type daemon struct {
	options
	log        *logger
	doors      *doors
	guard      *matcher.Guard
	limits     limiter
	links      links
	leases     *exec.Leases
	control    *control.Server // nil: the socket could not be made
	started    matcher.Time
	signals    *signals
	loop       *loop
	counts     counts
	pace       pace
	ownPidfile string       // as written; a reload does not move it
	gaveBack   uint64       // openings when memory was returned last
	status     int          // exit status
	until      matcher.Time // when the exit waits no longer; 0: not ending
	hurry      []hurry      // what is to come before
}

// hurry is a signal to start commands that keep the daemon from ending.
type hurry struct {
	at  matcher.Time
	sig unix.Signal
}

// newDaemon does all that can fail, in the order in which a user can mend it:
// the file, the log, the right to listen.
func newDaemon(o options) (*daemon, error) {
	debug.SetGCPercent(garbage)
	cfg, err := readConfig(o.config)
	if err != nil {
		return nil, err
	}
	d := &daemon{options: o, counts: counts{next: matcher.Never}, links: links{next: matcher.Never}, log: newLogger(o.verbose || o.debug || isTerminal(os.Stderr))}
	if err := d.openLog(cfg); err != nil {
		return nil, err
	}
	if d.doors, err = newDoors(cfg); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	d.guard = matcher.NewGuard(cfg.Lockout, key)
	if err := d.doors.drawDecoys(d.guard); err != nil {
		return nil, err
	}
	if d.signals, err = newSignals(); err != nil {
		return nil, err
	}
	if d.loop, err = newLoop(); err != nil {
		return nil, err
	}
	d.started = d.loop.instant.Now
	if err := d.openLinks(cfg); err != nil {
		return nil, err
	}
	if err := d.openLeases(cfg); err != nil {
		return nil, err
	}
	d.openControl(cfg)
	debug.FreeOSMemory()
	return d, nil
}

// openLog sets the places of the log. The command line's file wins over the
// configuration's.
func (d *daemon) openLog(cfg *config.Config) error {
	path := cfg.LogFile
	if d.logfile != "" {
		path = d.logfile
	}
	switch {
	case cfg.UseSyslog && d.log.syslog == nil:
		d.log.syslog = newSyslog("/dev/log")
	case !cfg.UseSyslog && d.log.syslog != nil:
		d.log.syslog.close()
		d.log.syslog = nil
	}
	return d.log.open(d.absolute(path))
}

func (d *daemon) interfaceName(cfg *config.Config) string {
	switch {
	case d.iface != "":
		return d.iface
	case cfg.Interface != "":
		return cfg.Interface
	}
	return config.DefaultInterface
}

// warnings logs what the configuration and the command line do not agree on,
// and what is probably not meant.
func (d *daemon) warnings(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		d.log.warn(w.Error())
	}
	if d.logfile != "" && cfg.LogFile != "" && d.logfile != cfg.LogFile {
		d.log.warn("LogFile = " + cfg.LogFile + " is not used: the command line says " + d.logfile)
	}
	if d.pidfile != "" && cfg.PidFile != "" && d.pidfile != cfg.PidFile {
		d.log.warn("PidFile = " + cfg.PidFile + " is not used: the command line says " + d.pidfile)
	}
}

// run is the event loop. It returns the exit status.
func (d *daemon) run() int {
	d.warnings(d.doors.config)
	d.startLinks()
	d.loop.watch(d.signals.fd, func() { d.onSignal() })
	d.loop.watch(d.leases.FD(), func() { d.leases.Ready(d.loop.instant) })
	if d.control != nil {
		d.loop.watch(d.control.FD(), func() { d.control.Ready(d.loop.instant.Now) })
	}
	for d.until == 0 || !d.leases.Settled() && d.loop.instant.Now < d.until {
		if err := d.loop.wait(d.next()); err != nil {
			d.log.warn(err.Error())
			d.exit(1)
		}
		d.expire()
		d.loop.dispatch()
	}
	return d.finish()
}

// next is when the loop must run even if nothing comes in.
func (d *daemon) next() matcher.Time {
	next := min(d.doors.matcher.Next(), d.leases.Next(), d.counts.next, d.limits.next, d.links.next)
	if d.until != 0 {
		next = min(next, d.until)
	}
	if len(d.hurry) > 0 {
		next = min(next, d.hurry[0].at)
	}
	if d.control != nil {
		next = min(next, d.control.Next())
	}
	return next
}

// expire does what has become due.
func (d *daemon) expire() {
	now := d.loop.instant.Now
	for {
		ev, ok := d.doors.matcher.Expire(now)
		if !ok {
			break
		}
		d.onEvent(ev)
	}
	d.leases.Expire(d.loop.instant)
	if len(d.hurry) > 0 && now >= d.hurry[0].at {
		d.leases.Interrupt(d.hurry[0].sig)
		d.hurry = d.hurry[1:]
	}
	if d.control != nil {
		d.control.Expire(now)
	}
	d.summarize(now)
	if now >= d.links.next {
		d.retryLinks()
	}
	if now >= d.counts.next {
		d.report()
	}
}

// summarize logs how many lines were left out, when their time is over.
func (d *daemon) summarize(now matcher.Time) {
	for now >= d.limits.next {
		line, ok := d.limits.summary(now)
		if !ok {
			return
		}
		d.log.print(line)
	}
}

func (d *daemon) onSignal() {
	for _, sig := range d.signals.take() {
		switch sig {
		case unix.SIGCHLD:
			d.leases.Reap(d.loop.instant)
			d.giveBack()
		case unix.SIGHUP:
			if d.until == 0 {
				d.reload()
			}
		default:
			d.exit(0)
		}
	}
}

// giveBack returns memory after many commands in a row, when the last of them
// has ended. What running them took would stay the daemon's for minutes.
func (d *daemon) giveBack() {
	if n := d.leases.Stats().Opened; n-d.gaveBack >= manyOpenings && d.leases.Idle() {
		d.gaveBack = n
		debug.FreeOSMemory()
	}
}

// exit begins to end the daemon: no more knocks, and all doors shut unless the
// user wants them to stay open. Called again it waits no longer.
func (d *daemon) exit(status int) {
	now := d.loop.instant.Now
	if d.until != 0 {
		d.until = now
		return
	}
	d.status, d.until = status, now
	d.log.print("shutting down")
	for _, e := range d.links.ears {
		d.loop.forget(e.FD())
	}
	if d.doors.config.CloseOnExit {
		d.until = now.Add(closeTime)
		d.hurry = []hurry{{now.Add(startTime), unix.SIGTERM}, {now.Add(killTime), unix.SIGKILL}}
		d.leases.CloseAll(d.loop.instant)
	}
}

// finish leaves nothing behind that it does not report.
func (d *daemon) finish() int {
	d.summarize(matcher.Never)
	d.report()
	left := d.leases.Left()
	if n := len(left); n > 0 && d.leases.StateFile != "" {
		d.log.warn(strconv.Itoa(n) + " doors are still open; the next start shuts them, as " + d.leases.StateFile + " says")
	}
	if d.doors.config.CloseOnExit {
		for _, command := range left {
			d.log.warn("a door was left open, shut it with: " + command)
		}
	}
	if d.control != nil {
		d.control.Close() // first: the next daemon may begin as soon as the leases are free
	}
	d.leases.Close()
	if d.ready != 0 {
		os.Remove(d.ownPidfile)
	}
	return d.status
}
