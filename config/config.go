// Package config reads knockd's configuration text into typed values. It
// reports every fault of a file at once, each with its place, and writes the
// report of check-only mode. Only UseOneTime changes a file.
package config

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"sesame/fault"
	"sesame/matcher"
)

// What knockd uses where a file and its command line say nothing (knockd(1)).
const (
	DefaultInterface = "eth0"
	DefaultPidFile   = "/var/run/knockd.pid"

	// What knockd has nothing like.
	DefaultMaxOpen     = 4096
	DefaultMaxCommands = 16
	DefaultStopTimeout = 60 * time.Second
	DefaultStopRetries = 10
	DefaultDecoys      = 256
	DefaultLockout     = 60 * time.Second

	defaultSeqTimeout = 25 * time.Second // SEQ_TIMEOUT in knockd's source
	defaultCmdTimeout = 10 * time.Second // CMD_TIMEOUT in knockd's source
)

const (
	// maxFile bounds memory when a file that is no configuration is named by
	// mistake. 65,535 doors of 250 bytes fit.
	maxFile = 16 << 20
	// maxMaxOpen bounds the memory of leases, which are about 200 bytes each.
	maxMaxOpen = 1_000_000
	// maxMaxCommands is the number of processes that a mistake may start.
	maxMaxCommands = 1024
	// maxStopRetries is about half a day of trying.
	maxStopRetries = 1000
	// maxDecoys leaves most of the filter to doors.
	maxDecoys = 1024
	// maxDoors lets a door's index fit in 16 bits beside a value for "none".
	maxDoors = 65535
)

// Config is a whole configuration. An empty string means that the file does
// not set the key. Read-only use is safe from several goroutines.
type Config struct {
	Interface, LogFile, PidFile string // Interface: as ParseInterfaces takes it, without blanks
	UseSyslog                   bool
	OnlyIPv4                    bool // hears no IPv6

	StateFile         string        // "": one for each configuration and interface
	MaxOpen           int           // doors open at once, for all addresses together
	MaxCommands       int           // commands that run at once
	StartTimeout      time.Duration // of start commands, whole seconds; 0: none
	StopTimeout       time.Duration // of stop commands, whole seconds; 0: none
	StopRetries       int           // of a stop command that fails
	ForgetAfterReboot bool          // doors open before a reboot, instead of shutting them
	CloseOnExit       bool          // shut all doors at a clean exit
	ScanGuard         bool          // whoever touches a decoy loses its attempts
	Decoys            int           // ports drawn as decoys, for each protocol that a door uses
	Lockout           time.Duration // of a source that touched one, whole seconds; 0: it is heard

	Doors    []Door  // in file order, at least one
	Warnings []Error // what was accepted and is probably not meant

	name string // what errors call the file
}

// Door is one section of the file other than [options]. Names need not be
// unique.
type Door struct {
	Name       string
	Line       int            // of the section header, from 1
	Sequence   []matcher.Port // 1 to matcher.MaxSequence knocks, the ones in force
	OneTime    *OneTime       // nil: the sequence is fixed
	SeqTimeout time.Duration  // from the first knock to the last, whole seconds; 0 only with one knock
	CmdTimeout time.Duration  // from the start command to the stop command, whole seconds, 0 or more
	Cooldown   time.Duration  // in which the door does not open again, whole seconds; 0: none
	Flags      matcher.Flags
	Target     matcher.Addr // zero: the machine's own addresses; never unspecified
	TargetWide uint8        // how many of the last bits of Target do not matter, and are 0

	// Commands for sh -c with %IP% still in them; "" runs nothing. The IPv6
	// ones hold the IPv4 command where the file does not set them.
	Start, Stop   string
	Start6, Stop6 string
}

// OneTime says where a door's sequences come from, each good for one opening.
type OneTime struct {
	Path string
	Line int // of the sequence in force, from 1
}

// Parse reads a whole configuration of at most 16 MiB and 65,535 doors. name
// is what errors call the file. readFile reads the files that the
// configuration names (one_time_sequences); pass ReadFile. Parse opens
// nothing itself.
//
// The error is Errors when the text is at fault, else r's own, wrapped. The
// Config is nil with every error. A fault of the file as a whole, such as one
// without a door, is reported on its last line.
func Parse(r io.Reader, name string, readFile func(string) ([]byte, error)) (*Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fault.New("read configuration "+name, err)
	}
	if len(data) > maxFile {
		line := 1 + bytes.Count(data, []byte{'\n'})
		return nil, Errors{{File: name, Line: line, Reason: "the file is larger than 16 MiB; is it a configuration?"}}
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, Errors{{File: name, Line: 1, Reason: "the file is UTF-16; save it as UTF-8"}}
	}
	p := parser{cfg: newConfig(name), readFile: readFile}
	p.parse(string(cutBOM(data)))
	if errs := p.errs.sorted(); len(errs) > 0 {
		return nil, errs
	}
	p.cfg.Warnings = p.warns.all()
	return p.cfg, nil
}

func newConfig(name string) *Config {
	return &Config{
		name: name, MaxOpen: DefaultMaxOpen, MaxCommands: DefaultMaxCommands,
		StopTimeout: DefaultStopTimeout, StopRetries: DefaultStopRetries, CloseOnExit: true,
		ScanGuard: true, Decoys: DefaultDecoys, Lockout: DefaultLockout,
	}
}

// cutBOM removes the byte order mark that Windows editors put at the start of
// UTF-8 text.
func cutBOM(data []byte) []byte {
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
}

// ReadFile reads a file that a configuration names. Unlike os.ReadFile it takes
// no more than 16 MiB: a device without end is no file of sequences.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("read " + path + ": larger than 16 MiB")
	}
	return data, err
}
