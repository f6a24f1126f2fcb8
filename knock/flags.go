package main

import (
	"fmt"
	"strings"
)

// usageError is a command line that cannot be understood: exit status 2.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text + "; see knock --help" }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// request is what a command line asks for.
type request struct {
	words     []string // what is no option
	hits      []hit    // of the words after the host
	flags     settings // what options set
	udp       bool
	verbosity int // -1 with -q, 1 with -v
	list      bool
	ssh       string // the profile of --ssh-config
	version   bool
	help      bool
}

// flag is an option. With value it takes one.
type flag struct {
	short byte // 0: none
	long  string
	value string // what its value is called; empty: it has none
	text  string
	do    func(r *request, name, value string) error
}

func setting(k key) func(*request, string, string) error {
	return func(r *request, name, value string) error {
		if err := r.flags.set(k, name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

func families(value string) func(*request, string, string) error {
	return func(r *request, name, _ string) error { return r.flags.set(keyFamily, name, value) }
}

func verbosity(level int) func(*request, string, string) error {
	return func(r *request, _, _ string) error { r.verbosity = level; return nil }
}

func mark(field func(*request) *bool) func(*request, string, string) error {
	return func(r *request, _, _ string) error { *field(r) = true; return nil }
}

// flagTable returns all options, in the order of the help. The first eight are
// those of knockd's client.
func flagTable() []flag {
	return []flag{
		{'u', "udp", "", "knock by UDP on all ports, whatever is written behind them", mark(func(r *request) *bool { return &r.udp })},
		{'d', "delay", "MS", "milliseconds between knocks", setting(keyDelay)},
		{'4', "ipv4", "", "knock over IPv4 only", families("4")},
		{'6', "ipv6", "", "knock over IPv6 only", families("6")},
		{'v', "verbose", "", "print a line for each knock", verbosity(1)},
		{'V', "version", "", "print the version", mark(func(r *request) *bool { return &r.version })},
		{'h', "help", "", "print this text", mark(func(r *request) *bool { return &r.help })},
		{0, "both", "", "knock over IPv4 and then over IPv6", families("both")},
		{0, "wait", "PORT", "then connect to this TCP port until it answers", setting(keyWait)},
		{0, "timeout", "SECONDS", "how long --wait waits", setting(keyTimeout)},
		{0, "source", "ADDR", "knock from this address of this machine", setting(keySource)},
		{0, "interface", "NAME", "knock through this interface", setting(keyInterface)},
		{'q', "quiet", "", "no progress line and no notes; errors only", verbosity(-1)},
		{0, "list", "", "list the profiles", mark(func(r *request) *bool { return &r.list })},
		{0, "ssh-config", "PROFILE", "print what makes ssh knock first", func(r *request, name, value string) error {
			if value == "" {
				return usagef("option %s wants a profile", name)
			}
			r.ssh = value
			return nil
		}},
	}
}

// parseArgs reads a command line as getopt_long(3) does: options stand anywhere
// before "--", short ones together (-uv) and with their value (-d10), long ones
// shortened as far as they stay clear. Neither a name is looked up nor a file
// read.
func parseArgs(args []string) (request, error) {
	r := request{}
	table := flagTable()
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		var err error
		switch {
		case word == "--":
			r.words = append(r.words, args...)
			args = nil
		case strings.HasPrefix(word, "--"):
			args, err = r.long(table, word[2:], args)
		case len(word) > 1 && word[0] == '-':
			args, err = r.short(table, word[1:], args)
		default:
			r.words = append(r.words, word)
		}
		if err != nil {
			return r, err
		}
	}
	if r.help || r.version {
		return r, nil
	}
	return r, r.check()
}

// check looks at the words that are left, and at what goes together.
func (r *request) check() error {
	switch {
	case r.list && r.ssh != "":
		return usagef("--list and --ssh-config do not go together")
	case (r.list || r.ssh != "") && (len(r.words) > 0 || r.udp || r.flags.places != [numKeys]string{}):
		return usagef("--list and --ssh-config stand alone: they show profiles as they are in the file")
	case r.list || r.ssh != "":
		return nil
	case len(r.words) == 0:
		return usagef("no host: give a host and its ports, or a profile")
	}
	if len(r.words) == 1 {
		return nil
	}
	host := r.words[0]
	if err := r.flags.set(keyHost, host, host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	for _, word := range r.words[1:] {
		h, err := parseHit(word)
		if err != nil {
			return err
		}
		r.hits = append(r.hits, h)
	}
	r.flags.sequence, r.flags.places[keySequence] = r.hits, "ports"
	return nil
}

func (r *request) long(table []flag, word string, args []string) ([]string, error) {
	name, value, has := strings.Cut(word, "=")
	var found []flag
	for _, f := range table {
		if f.long == name {
			found = []flag{f}
			break
		}
		if name != "" && strings.HasPrefix(f.long, name) {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0:
		return nil, usagef("unknown option %+q", "--"+name)
	case len(found) > 1:
		return nil, usagef("option --%s may be --%s or --%s", name, found[0].long, found[1].long)
	}
	f := found[0]
	switch {
	case f.value == "" && has:
		return nil, usagef("option --%s takes no value", f.long)
	case f.value != "" && !has:
		if len(args) == 0 {
			return nil, usagef("option --%s wants a value: %s", f.long, f.value)
		}
		value, args = args[0], args[1:]
	}
	return args, f.do(r, "--"+f.long, value)
}

func (r *request) short(table []flag, word string, args []string) ([]string, error) {
	for i, c := range []byte(word) {
		var f *flag
		for j := range table {
			if c != 0 && table[j].short == c {
				f = &table[j]
			}
		}
		if f == nil {
			return nil, usagef("unknown option %+q", "-"+word[i:i+1])
		}
		name := "-" + string(rune(c))
		if f.value == "" {
			if err := f.do(r, name, ""); err != nil {
				return nil, err
			}
			continue
		}
		value := word[i+1:]
		if value == "" {
			if len(args) == 0 {
				return nil, usagef("option %s wants a value: %s", name, f.value)
			}
			value, args = args[0], args[1:]
		}
		return args, f.do(r, name, value)
	}
	return args, nil
}

// usage is the text of --help.
func usage() string {
	var b strings.Builder
	b.WriteString("usage: knock [options] HOST PORT[:tcp|udp] ...\n" +
		"       knock [options] PROFILE\n" +
		"       knock --list\n" +
		"       knock --ssh-config PROFILE\n" +
		"options:\n")
	for _, f := range flagTable() {
		short := "    "
		if f.short != 0 {
			short = fmt.Sprintf("-%c, ", f.short)
		}
		fmt.Fprintf(&b, "  %s--%-22s %s\n", short, strings.TrimSpace(f.long+" "+f.value), f.text)
	}
	b.WriteString("exit status: 0 done, 1 cannot be done, 2 wrong usage, 4 the port of --wait did not open\n")
	return b.String()
}
