package config

import (
	"slices"
	"strconv"
	"strings"

	"sesame/matcher"
)

// order warns of sequences that a port scan knocks by itself. A scan tries
// the ports of one protocol after another, each once, so a sequence of both
// protocols or with a repeated port is safe from it. Two ports cannot avoid
// being in order, and every second scan in random order hits them as well:
// they are warned of with advice of their own. One port is taken as meant.
func (a *advisor) order(d *Door) {
	s := d.Sequence
	up, down := len(s) > 1, len(s) > 1
	for i := 1; i < len(s); i++ {
		same := s[i].Proto == s[0].Proto
		up = up && same && s[i].Number > s[i-1].Number
		down = down && same && s[i].Number < s[i-1].Number
	}
	if !up && !down {
		return
	}
	text := "the ports only rise, so a plain port scan knocks them in this order"
	if down {
		text = "the ports only fall, so a port scan from high to low knocks them in this order"
	}
	if len(s) == 2 {
		text += "; add a third port that breaks the order"
	} else {
		text += "; change their order"
	}
	if d.OneTime != nil {
		text += " on line " + strconv.Itoa(d.OneTime.Line) + " of " + plain(d.OneTime.Path)
	}
	a.warn(d, text)
}

// unguarded tells of doors that a scan with other flags than SYN can open: of
// TCP, only a SYN without ACK touches a decoy.
func (a *advisor) unguarded() {
	var first *Door
	n := 0
	for i := range a.c.Doors {
		d := &a.c.Doors[i]
		if len(d.Sequence) < 2 || !hasTCP(d.Sequence) || d.Flags.Set&matcher.SYN != 0 && d.Flags.Clear&matcher.ACK != 0 {
			continue
		}
		if n++; n == 1 {
			first = d
		}
	}
	if n == 0 || !a.c.ScanGuard {
		return
	}
	text := "the scan guard sees scans with SYN alone, this door takes other packets as well; set tcpflags = syn,!ack"
	if n > 1 {
		text += ", as at " + plural(n-1, "other door")
	}
	a.note(first, text)
}

const clientIP = "%IP%"

// stops warns of stop commands that cannot undo what start did, or never run.
func (a *advisor) stops(d *Door) {
	a.stop(d, "", d.Start, d.Stop)
	if d.Start6 != d.Start && d.Stop6 != "" && d.Stop6 == d.Stop && d.Start6 == "" {
		return // the stop command is there for IPv4's sake
	}
	if d.Start6 != d.Start || d.Stop6 != d.Stop {
		a.stop(d, "_6", d.Start6, d.Stop6)
	}
}

func (a *advisor) stop(d *Door, suffix, start, stop string) {
	switch {
	case stop == "":
	case start == "":
		a.warn(d, "stop_command"+suffix+" never runs, because there is no start_command"+suffix+"; set one, or remove it")
	case strings.Contains(start, clientIP) && !strings.Contains(stop, clientIP):
		a.warn(d, "stop_command"+suffix+" has no %IP% but the start command has; name the address that it shuts the door for")
	}
}

// maxPairs bounds the time of overlaps: a hundred thousand doors that begin
// alike are no accident that needs a warning.
const maxPairs = 1 << 22

// overlaps warns of doors that the knock at another door opens on the way. A
// door looks at the ports of its own sequence only, so that it can be opened by
// a prefix, or by knocks with others in between. Doors of equal sequences are
// only noted, as that is a known way to run two commands.
func (a *advisor) overlaps() {
	doors := a.c.Doors
	beginning := make(map[matcher.Port][]*Door, len(doors))
	for i := range doors {
		d := &doors[i]
		beginning[d.Sequence[0]] = append(beginning[d.Sequence[0]], d)
	}
	warned := make(map[*Door]bool)
	pairs := 0
	for i := range doors {
		long := &doors[i]
		for n, port := range long.Sequence {
			if slices.Contains(long.Sequence[:n], port) {
				continue
			}
			for _, d := range beginning[port] {
				if pairs++; pairs > maxPairs {
					return
				}
				if d != long && !warned[d] && d.Target == long.Target && d.TargetWide == long.TargetWide && !exclusive(d, long) && openedBy(d.Sequence, long.Sequence) {
					warned[d] = a.onTheWay(d, long)
				}
			}
		}
	}
}

// openedBy reports whether knocks open a door of the given sequence.
func openedBy(sequence, knocks []matcher.Port) bool {
	stage := 0
	for _, p := range knocks {
		switch {
		case p == sequence[stage]:
			stage++
		case stage > 0 && p == sequence[stage-1], !slices.Contains(sequence, p):
		case p == sequence[0]:
			stage = 1
		default:
			stage = 0
		}
		if stage == len(sequence) {
			return true
		}
	}
	return false
}

// onTheWay warns that long's knock opens d, or notes it where both sequences
// are the same and d comes second. It reports whether that is said.
func (a *advisor) onTheWay(d, long *Door) bool {
	switch {
	case !slices.Equal(d.Sequence, long.Sequence):
		part := "its sequence is a part of "
		if slices.Equal(d.Sequence, long.Sequence[:min(len(d.Sequence), len(long.Sequence))]) {
			part = "its sequence is the beginning of "
		}
		a.warn(d, part+place(long)+", so a knock at that one opens this one on the way; change one of them")
	case long.Line < d.Line:
		a.note(d, "same sequence as "+place(long)+": one knock opens both")
	default:
		return false
	}
	return true
}

// exclusive reports whether no TCP packet can count for both doors.
func exclusive(a, b *Door) bool {
	return hasTCP(a.Sequence) && (a.Flags.Set&b.Flags.Clear != 0 || a.Flags.Clear&b.Flags.Set != 0)
}

func place(d *Door) string { return plain(d.Name) + " (line " + strconv.Itoa(d.Line) + ")" }

// leftOpen warns of commands that add a rule which nothing takes back. A
// delete with the same program in a start command is taken to be the way back,
// as with a pair of doors that open and shut; a rule that shuts someone out
// and one that ends by a timeout of its own are meant to stay.
func (a *advisor) leftOpen() {
	undone := map[string]bool{}
	for i := range a.c.Doors {
		d := &a.c.Doors[i]
		for _, command := range [...]string{d.Start, d.Start6} {
			if hasWord(command, "-D", "--delete", "delete", "del", "remove", "flush", "-F", "--flush") {
				undone[mainProgram(command)] = true
			}
		}
	}
	for i := range a.c.Doors {
		d := &a.c.Doors[i]
		if staysOpen(d.Start, d.Stop, undone) {
			a.warn(d, "start_command adds a rule and nothing takes it back; set cmd_timeout and stop_command")
		} else if staysOpen(d.Start6, d.Stop6, undone) {
			a.warn(d, "for a knock over IPv6 start_command adds a rule and nothing takes it back; set stop_command_6")
		}
	}
}

func staysOpen(start, stop string, undone map[string]bool) bool {
	return stop == "" && hasWord(start, "-A", "-I", "--append", "--insert", "allow", "insert", "add") &&
		!hasWord(start, "timeout", "DROP", "REJECT", "drop", "reject", "deny") && !undone[mainProgram(start)]
}

// hasWord reports whether the command holds one of the words, as a shell or a
// reader would part them.
func hasWord(command string, words ...string) bool {
	for field := range strings.FieldsFuncSeq(command, func(r rune) bool { return strings.ContainsRune(" \t;|&(){}'\"`", r) }) {
		for _, w := range words {
			if field == w {
				return true
			}
		}
	}
	return false
}

// mainProgram is the first program of a command without its folder, so that
// /sbin/iptables and iptables are one.
func mainProgram(command string) string {
	progs := programs(command)
	if len(progs) == 0 {
		return ""
	}
	return progs[0][strings.LastIndexByte(progs[0], '/')+1:]
}

// missing is a program that cannot be run, and where it is first used.
type missing struct {
	err         error
	prog, key   string
	first, last *Door
	doors       int
}

// programs warns of programs that cannot be run, once for each, at the first
// door that uses it.
func (a *advisor) programs() {
	seen := map[string]*missing{}
	var order []*missing
	for i := range a.c.Doors {
		d := &a.c.Doors[i]
		for _, cmd := range [...]struct{ key, text string }{
			{"start_command", d.Start}, {"start_command_6", d.Start6},
			{"stop_command", d.Stop}, {"stop_command_6", d.Stop6},
		} {
			for _, prog := range programs(cmd.text) {
				m := seen[prog]
				if m == nil {
					m = &missing{err: a.lookPath(prog), prog: prog, key: cmd.key, first: d}
					seen[prog] = m
					order = append(order, m)
				}
				if m.last != d {
					m.last = d
					m.doors++
				}
			}
		}
	}
	for _, m := range order {
		if m.err != nil {
			a.warn(m.first, m.text())
		}
	}
}

func (m *missing) text() string {
	s := m.key + ": cannot run " + quote(m.prog) + ": " + plain(m.err.Error())
	if strings.HasPrefix(m.prog, "/") {
		s += "; install it or correct the path"
	} else {
		s += "; install it or write its whole path"
	}
	if m.doors > 1 {
		s += " (also used by " + plural(m.doors-1, "other door") + ")"
	}
	return s
}
