package main

import (
	"errors"
	"slices"
	"strings"
)

const usageText = `usage: sesame [options]             hear knocks and open doors
       sesame check [-c <file>]     read the configuration and say what it means
       sesame status [--json | --prometheus]   show open doors and counters
       sesame open <door> <address>            open a door by hand
       sesame close [<door> [<address>]]       shut open doors now
       sesame demo                  show a door open and shut, without root
options:
  -i, --interface <int>  interfaces to listen on: a name, several with commas
                         between, patterns such as ppp*, or any (default "eth0")
      --require-interface  end where knockd does: when an interface is missing
  -d, --daemon           run as a daemon
  -c, --config <file>    use an alternate config file
  -D, --debug            output debug messages
  -l, --lookup           log the name of an address that opens a door
  -p, --pidfile <file>   use an alternate pidfile
  -g, --logfile <file>   use an alternate logfile
  -v, --verbose          log to stderr as well
  -4, --only-ip-v4       do not track ipv6
  -V, --version          display version
  -h, --help             this help
status, open and close are for the daemons started with the same -c and -i, or
all that run where these are not given; the exit status is 3 where none runs.
`

// options are what the command line says.
type options struct {
	iface, config, pidfile, logfile string // "": not given
	daemon, debug, lookup, verbose  bool
	only4, version, help            bool
	requireInterface                bool
	json, prometheus                bool // of sesame status
	words                           []string

	dir   string // the working directory at the start
	ready int    // descriptor on which a detached process says that it has started; 0: not detached
}

// flag is one option: a switch or one with a value.
type flag struct {
	short byte
	long  string
	set   *bool
	value *string
}

func (o *options) flags() []flag {
	return []flag{
		{'i', "interface", nil, &o.iface},
		{'d', "daemon", &o.daemon, nil},
		{'c', "config", nil, &o.config},
		{'D', "debug", &o.debug, nil},
		{'l', "lookup", &o.lookup, nil},
		{'p', "pidfile", nil, &o.pidfile},
		{'g', "logfile", nil, &o.logfile},
		{'v', "verbose", &o.verbose, nil},
		{'4', "only-ip-v4", &o.only4, nil},
		{'V', "version", &o.version, nil},
		{'h', "help", &o.help, nil},
		{0, "require-interface", &o.requireInterface, nil},
		{0, "json", &o.json, nil},
		{0, "prometheus", &o.prometheus, nil},
		{'s', "", new(bool), nil}, // knockd's forks: save memory
	}
}

// parseFlags reads options as getopt_long(3) does: short ones together
// (-vD), values in the same word or the next (-iwan, -i wan, --config=F). What
// is no option is one of words, wherever it stands.
func parseFlags(args []string) (_ options, err error) {
	var o options
	flags := o.flags()
	for len(args) > 0 && err == nil {
		word := args[0]
		args = args[1:]
		switch long, ok := strings.CutPrefix(word, "--"); {
		case ok && long != "":
			args, err = parseLong(flags, long, args)
		case len(word) > 1 && word[0] == '-' && !ok:
			args, err = parseShort(flags, word[1:], args)
		default:
			o.words = append(o.words, word)
		}
	}
	return o, err
}

// parseLong takes an option without its dashes and returns the words that it
// leaves.
func parseLong(flags []flag, word string, args []string) ([]string, error) {
	name, value, has := strings.Cut(word, "=")
	i := slices.IndexFunc(flags, func(f flag) bool { return f.long == name && name != "" })
	switch {
	case i < 0:
		return nil, errors.New("unknown option --" + name)
	case flags[i].set != nil && has:
		return nil, errors.New("option --" + name + " takes no value")
	case flags[i].set != nil:
		*flags[i].set = true
		return args, nil
	case has:
		return flags[i].take("--"+name, append([]string{value}, args...))
	}
	return flags[i].take("--"+name, args)
}

// parseShort takes a word of short options without its dash.
func parseShort(flags []flag, word string, args []string) ([]string, error) {
	for at := range len(word) {
		i := slices.IndexFunc(flags, func(f flag) bool { return f.short == word[at] })
		switch {
		case i < 0:
			return nil, errors.New("unknown option -" + string(rune(word[at])))
		case flags[i].set != nil:
			*flags[i].set = true
			continue
		case at+1 < len(word):
			args = append([]string{word[at+1:]}, args...)
		}
		return flags[i].take("-"+word[at:at+1], args)
	}
	return args, nil
}

// take sets the value to the next word.
func (f flag) take(name string, args []string) ([]string, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, errors.New("option " + name + " needs a value")
	}
	*f.value = args[0]
	return args[1:], nil
}
