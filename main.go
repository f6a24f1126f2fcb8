// Command sesame hears port knocks and runs the commands that open and shut a
// firewall door for the knocker. It reads knockd's configuration file.
//
// Data flows one way: package config turns text into values; afpacket turns
// what comes in on the wire into packets; matcher turns packets into events;
// exec turns openings into commands and leases. This package wires them to one
// event loop, which waits for packets, changes of interfaces and addresses,
// timers, the output and the end of commands, and signals, and for nothing else:
// without any of these it does not run. (Go's runtime by itself looks after its memory once a minute.)
package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/fault"
)

// version is set by the build.
var version = "dev"

const defaultConfig = "/etc/knockd.conf"

func main() {
	os.Exit(run(os.Args[0], os.Args[1:]))
}

// subcommand is what the program does besides being the daemon.
type subcommand struct {
	name        string
	least, most int // words after it
	run         func(options) int
}

var subcommands = [...]subcommand{
	{"check", 0, 0, check},
	{"status", 0, 0, showStatus},
	{"open", 2, 2, openDoor},
	{"close", 0, 2, closeDoors},
	{"demo", 0, 0, func(options) int { return demo() }},
}

// run is the whole program; its result is the exit status.
//
// Called as knockd it takes knockd's command line and no other: words that are
// no options are passed over, as getopt_long(3) makes knockd do.
func run(name string, args []string) int {
	c, asKnockd := subcommand{run: serve}, name[strings.LastIndexByte(name, '/')+1:] == "knockd"
	if !asKnockd && len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		i := slices.IndexFunc(subcommands[:], func(c subcommand) bool { return c.name == args[0] })
		if i < 0 {
			return misused("unknown command " + strconv.Quote(args[0]))
		}
		c, args = subcommands[i], args[1:]
	}
	o, err := parseFlags(args)
	switch {
	case err != nil:
		return misused(err.Error())
	case o.help:
		os.Stdout.WriteString(usageText)
		return 0
	case o.version:
		os.Stdout.WriteString("sesame " + version + " (reads the configuration of knockd 0.8)\n")
		return 0
	case len(o.words) > c.most && !asKnockd:
		return misused("unexpected argument " + strconv.Quote(o.words[c.most]))
	case len(o.words) < c.least:
		return misused(c.name + " needs a door and an address")
	case (o.json || o.prometheus) && c.name != "status":
		return misused("--json and --prometheus are options of sesame status")
	case o.json && o.prometheus:
		return misused("--json and --prometheus exclude each other")
	}
	return c.run(o)
}

// misused reports a wrong command line.
func misused(reason string) int {
	os.Stderr.WriteString("sesame: " + reason + "\n" + usageText)
	return 1
}

// serve is the daemon.
func serve(o options) int {
	if o.config == "" {
		o.config = defaultConfig
	}
	if err := o.settle(); err != nil {
		return fail(err)
	}
	if o.ready = takeReady(); o.daemon && o.ready == 0 {
		return detach()
	}
	d, err := newDaemon(o)
	if err != nil {
		return fail(err)
	}
	if o.ready != 0 {
		if err := d.becomeDaemon(); err != nil {
			return fail(err)
		}
	}
	return d.run()
}

// settle makes the paths of the command line independent of the directory it
// was given in, and reads its interfaces.
func (o *options) settle() (err error) {
	if o.dir, err = unix.Getwd(); err != nil {
		return fault.New("find the working directory", err)
	}
	if o.iface != "" {
		list, reason := config.ParseInterfaces(o.iface)
		if reason != "" {
			return errors.New("-i: " + reason)
		}
		o.iface = strings.Join(list, ",")
	}
	o.config, o.logfile, o.pidfile = o.absolute(o.config), o.absolute(o.logfile), o.absolute(o.pidfile)
	return nil
}

// absolute makes a path independent of the working directory, which a daemon
// leaves. The empty path and "-" stay.
func (o *options) absolute(path string) string {
	if path == "" || path == "-" || path[0] == '/' {
		return path
	}
	return o.dir + "/" + path
}

// fail reports an error that ends the program.
func fail(err error) int {
	var faults config.Errors
	if errors.As(err, &faults) {
		os.Stderr.WriteString(faults.Error() + "\n") // each line names its place
	} else {
		os.Stderr.WriteString("sesame: " + err.Error() + "\n")
	}
	return 1
}

// check validates a configuration and says how it was understood.
func check(o options) int {
	if o.config == "" {
		o.config = defaultConfig
	}
	cfg, err := readConfig(o.config)
	if err != nil {
		return fail(err)
	}
	config.Check(os.Stdout, cfg, config.LookPath)
	return 0
}

// readConfig reads a configuration file; "-" is standard input.
func readConfig(path string) (*config.Config, error) {
	var r io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.New("read the configuration", err)
		}
		defer f.Close()
		r = f
	}
	return config.Parse(r, path, config.ReadFile)
}
