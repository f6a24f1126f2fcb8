package control

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// Status is what a daemon tells of itself.
type Status struct {
	Version, Interface, Config, StateFile string // StateFile is "" when leases end with the process
	Listening, Waiting                    string // names of interfaces with ", " between: there, and missing
	PID                                   int
	Now                                   int64 // when this was true, ns since 1970
	Started                               int64 // ns since 1970
	Attempts                              int   // in flight
	Counters                              [numCounters]uint64
	Doors                                 []Door // that are open, or about to be or no longer
}

// Door is an open door of one address.
type Door struct {
	Name, Address, State string
	Opened               int64         // ns since 1970
	Left                 time.Duration // until the stop command is run, again in state retrying; Unknown: not settled
	Failures             int           // of the stop command, in a row
}

// Unknown is the time left when no timer runs.
const Unknown time.Duration = math.MinInt64

// Counter numbers what is counted since the start.
type Counter int

const (
	Packets Counter = iota
	KernelDrops
	Malformed
	Evicted
	Decoys
	Ignored
	Openings
	Renewals
	RefusedOpenings
	StartFailures
	StopFailures
	StateFailures
	LogLost
	numCounters
)

// counters are their names, as other programs know them, and what they count.
var counters = [numCounters]struct{ name, help string }{
	Packets:         {"packets", "packets that passed the filter"},
	KernelDrops:     {"kernel_drops", "packets that came faster than they could be read"},
	Malformed:       {"malformed", "packets that were not looked at"},
	Evicted:         {"evicted", "attempts that gave way to newer ones"},
	Decoys:          {"decoys", "packets to decoys, as port scans send them"},
	Ignored:         {"ignored", "knocks of sources that touched a decoy"},
	Openings:        {"openings", "doors opened, by knocks and by hand"},
	Renewals:        {"renewals", "knocks at doors that were open already"},
	RefusedOpenings: {"refused_openings", "doors not opened, for want of a lease or a record of it"},
	StartFailures:   {"start_failures", "start commands that failed"},
	StopFailures:    {"stop_failures", "stop commands that failed"},
	StateFailures:   {"state_failures", "writes to the state file that failed"},
	LogLost:         {"log_lost", "log lines that could not be written"},
}

// AppendHead appends the lines of a status but for its doors.
func (s *Status) AppendHead(b []byte) []byte {
	for _, text := range [...][2]string{
		{"version", s.Version}, {"interface", s.Interface}, {"listening", s.Listening}, {"waiting", s.Waiting}, {"config", s.Config}, {"statefile", s.StateFile},
	} {
		b = AppendLine(b, text[0], strconv.Quote(text[1]))
	}
	for _, number := range [...]struct {
		name  string
		value int64
	}{
		{"pid", int64(s.PID)}, {"now", s.Now}, {"started", s.Started}, {"attempts", int64(s.Attempts)},
	} {
		b = AppendLine(b, number.name, strconv.FormatInt(number.value, 10))
	}
	for i, n := range s.Counters {
		b = AppendLine(b, "count", counters[i].name, strconv.FormatUint(n, 10))
	}
	return b
}

// Append appends the line of a door.
func (d *Door) Append(b []byte) []byte {
	left := "-"
	if d.Left != Unknown {
		left = strconv.FormatInt(int64(d.Left), 10)
	}
	return AppendLine(b, "door", strconv.Quote(d.Name), d.Address, d.State,
		strconv.FormatInt(d.Opened, 10), left, strconv.Itoa(d.Failures))
}

// line takes in one line of a status. What a newer daemon may say besides is
// passed over.
func (s *Status) line(words []string) (err error) {
	number := func(i int) (n int64) {
		n, err2 := strconv.ParseInt(words[i], 10, 64)
		err = errors.Join(err, err2)
		return n
	}
	switch {
	case len(words) == 2:
		switch words[0] {
		case "version":
			s.Version = words[1]
		case "interface":
			s.Interface = words[1]
		case "listening":
			s.Listening = words[1]
		case "waiting":
			s.Waiting = words[1]
		case "config":
			s.Config = words[1]
		case "statefile":
			s.StateFile = words[1]
		case "pid":
			s.PID = int(number(1))
		case "now":
			s.Now = number(1)
		case "started":
			s.Started = number(1)
		case "attempts":
			s.Attempts = int(number(1))
		}
	case len(words) == 3 && words[0] == "count":
		for i := range counters {
			if counters[i].name == words[1] {
				s.Counters[i], err = strconv.ParseUint(words[2], 10, 64)
			}
		}
	case len(words) == 7 && words[0] == "door":
		d := Door{Name: words[1], Address: words[2], State: words[3], Opened: number(4), Left: Unknown, Failures: int(number(6))}
		if words[5] != "-" {
			d.Left = time.Duration(number(5))
		}
		s.Doors = append(s.Doors, d)
	}
	return err
}
