package config

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sesame/matcher"
)

// Check writes the doors as they were understood and then warnings of what
// will bite. lookPath reports why a command's program cannot be run, nil when
// it can; pass LookPath. The result counts the warnings, not the notes. Errors
// of w are not reported.
func Check(w io.Writer, c *Config, lookPath func(prog string) error) (warnings int) {
	var b strings.Builder
	sections := [][][2]string{optionRows(c)}
	for i := range c.Doors {
		sections = append(sections, doorRows(&c.Doors[i]))
	}
	width := 0
	for _, rows := range sections {
		for _, r := range rows {
			width = max(width, len(r[0]))
		}
	}
	for i, rows := range sections {
		if i > 0 {
			b.WriteString("\n" + place(&c.Doors[i-1]) + "\n")
		}
		for _, r := range rows {
			b.WriteString("  " + r[0] + strings.Repeat(" ", width-len(r[0])) + "  " + r[1] + "\n")
		}
	}

	a := advisor{c: c, lookPath: lookPath}
	a.run()
	b.WriteString("\n" + plural(len(c.Doors), "door") + ", " + plural(len(a.warnings), "warning") + "\n")
	for _, e := range a.warnings {
		b.WriteString(e.Error() + "\n")
	}
	for _, e := range a.notes {
		b.WriteString("note: " + e.Error() + "\n")
	}
	io.WriteString(w, b.String())
	return len(a.warnings)
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise + " (default)"
	}
	return plain(value)
}

func optionRows(c *Config) [][2]string {
	var logs []string
	if c.LogFile != "" {
		logs = append(logs, plain(c.LogFile))
	}
	if c.UseSyslog {
		logs = append(logs, "syslog")
	}
	if logs == nil {
		logs = append(logs, "standard error (default)")
	}
	rows := [][2]string{
		{"interface", orDefault(c.Interface, DefaultInterface)},
		{"log", strings.Join(logs, " and ")},
		{"pidfile", orDefault(c.PidFile, DefaultPidFile)},
		{"statefile", orDefault(c.StateFile, "in /var/lib/sesame")},
	}
	return append(rows, otherRows(c)...)
}

// otherRows shows what is set otherwise than by default.
func otherRows(c *Config) (rows [][2]string) {
	set := func(other bool, key, value string) {
		if other {
			rows = append(rows, [2]string{key, value})
		}
	}
	set(c.OnlyIPv4, "only_ipv4", "yes: IPv6 packets are not heard")
	set(c.MaxOpen != DefaultMaxOpen, "max_open", plural(c.MaxOpen, "door"))
	set(c.MaxCommands != DefaultMaxCommands, "max_commands", strconv.Itoa(c.MaxCommands)+" at once")
	set(c.StopTimeout != DefaultStopTimeout || c.StartTimeout != 0, "command_timeout", orNone(c.StopTimeout))
	set(c.StopRetries != DefaultStopRetries, "stop_retries", strconv.Itoa(c.StopRetries))
	set(c.ForgetAfterReboot, "after_reboot", "forget: stop commands of doors open before it do not run")
	set(!c.CloseOnExit, "close_on_exit", "no: doors stay open until the next start, or the end of their time after it")
	set(!c.ScanGuard, "scan_guard", "no: port scans may open doors")
	set(c.Decoys != DefaultDecoys, "decoys", strconv.Itoa(c.Decoys)+", and the neighbours of the doors' ports")
	set(c.Lockout == 0, "lockout", "none: a scan ends attempts, its source is heard")
	set(c.Lockout != DefaultLockout && c.Lockout != 0, "lockout", seconds(c.Lockout))
	return rows
}

func orNone(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return seconds(d)
}

// doorRows shows a door under the file's own key names. IPv6 commands are
// left out where they are the IPv4 ones, and times where they have no effect.
func doorRows(d *Door) [][2]string {
	rows := [][2]string{
		{"one_time_sequences"},
		{"sequence", sequenceText(d.Sequence)},
		{"seq_timeout", seconds(d.SeqTimeout)},
		{"tcpflags"},
		{"target", "this machine's own addresses"},
		{"start_command", commandText(d.Start, "none: an opening is only logged")},
		{"start_command_6"},
		{"cmd_timeout"},
		{"stop_command"},
		{"stop_command_6"},
		{"cooldown"},
	}
	set := func(use bool, key, value string) {
		for i := range rows {
			if use && rows[i][0] == key {
				rows[i][1] = value
			}
		}
	}
	if d.OneTime != nil {
		set(true, "one_time_sequences", plain(d.OneTime.Path)+", line "+strconv.Itoa(d.OneTime.Line)+" in force")
	}
	set(hasTCP(d.Sequence), "tcpflags", flagsText(d.Flags))
	set(d.Target != matcher.Addr{}, "target", d.targetText())
	set(d.Start6 != d.Start, "start_command_6", commandText(d.Start6, "none: an opening over IPv6 is only logged"))
	set(d.Stop != "" || d.Stop6 != "", "cmd_timeout", seconds(d.CmdTimeout))
	set(d.Stop != "" || d.Stop6 != d.Stop, "stop_command", commandText(d.Stop, "none"))
	set(d.Stop6 != d.Stop, "stop_command_6", commandText(d.Stop6, "none"))
	set(d.Cooldown > 0, "cooldown", seconds(d.Cooldown))
	return slices.DeleteFunc(rows, func(r [2]string) bool { return r[1] == "" })
}

func commandText(command, none string) string {
	if command == "" {
		return none
	}
	return plain(command)
}

func sequenceText(seq []matcher.Port) string {
	words := make([]string, len(seq))
	for i, p := range seq {
		words[i] = strconv.Itoa(int(p.Number)) + "/" + p.Proto.String()
	}
	return strings.Join(words, " ")
}

func hasTCP(seq []matcher.Port) bool {
	return slices.ContainsFunc(seq, func(p matcher.Port) bool { return p.Proto == matcher.TCP })
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(d/time.Second), 10) + " s"
}

func flagsText(f matcher.Flags) string {
	var words []string
	for _, n := range flagNames {
		switch {
		case f.Set&n.bit != 0:
			words = append(words, n.name)
		case f.Clear&n.bit != 0:
			words = append(words, "!"+n.name)
		}
	}
	if words == nil {
		return "any TCP packet counts"
	}
	return strings.Join(words, " ")
}

// advisor collects what is wrong with a configuration that can be read.
type advisor struct {
	c               *Config
	lookPath        func(string) error
	warnings, notes []Error
}

func (a *advisor) run() {
	a.warnings = slices.Clone(a.c.Warnings)
	for i := range a.c.Doors {
		d := &a.c.Doors[i]
		if !a.c.ScanGuard {
			a.order(d)
		}
		a.stops(d)
	}
	a.unguarded()
	a.overlaps()
	a.leftOpen()
	a.programs()
	sortByLine(a.warnings[len(a.c.Warnings):])
	sortByLine(a.notes)
}

// about makes a warning or a note of door d.
func (a *advisor) about(d *Door, text string) Error {
	return Error{File: a.c.name, Line: d.Line, Key: plain(d.Name), Reason: text}
}

func (a *advisor) warn(d *Door, text string) { a.warnings = append(a.warnings, a.about(d, text)) }
func (a *advisor) note(d *Door, text string) { a.notes = append(a.notes, a.about(d, text)) }
