package control

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func anyInt(r *rand.Rand) int64 {
	return [...]int64{0, 1, -1, math.MaxInt64, math.MinInt64, r.Int64(), int64(r.IntN(1000))}[r.IntN(7)]
}

func anyStatus(r *rand.Rand) *Status {
	s := &Status{
		Version: hostile(r), Interface: hostile(r), Listening: hostile(r), Waiting: hostile(r), Config: hostile(r), StateFile: hostile(r),
		PID: int(r.Int32()), Now: anyInt(r), Started: anyInt(r), Attempts: int(r.Int32()),
	}
	for i := range s.Counters {
		s.Counters[i] = r.Uint64() >> r.IntN(64)
	}
	for range r.IntN(4) {
		address := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())}).String()
		if r.IntN(2) == 0 {
			address = "2001:db8::7"
		}
		s.Doors = append(s.Doors, Door{
			Name: hostile(r), Address: address, State: "open", Opened: anyInt(r),
			Left: time.Duration(anyInt(r)), Failures: int(r.Int32()), // Unknown is one of these
		})
	}
	return s
}

// reply is what a daemon says.
func (s *Status) reply() string {
	b := s.AppendHead(nil)
	for i := range s.Doors {
		b = s.Doors[i].Append(b)
	}
	return string(b) + "end\n"
}

func TestStatusRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		want, got := anyStatus(r), &Status{}
		if err := parseReply(want.reply(), got.line); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n%+v\nbecomes\n%+v\nby\n%s", err, want, got, want.reply())
		}
	}
}

// TestNewerDaemon has a daemon say more than we know.
func TestNewerDaemon(t *testing.T) {
	want, got := sample(), &Status{}
	lines := strings.SplitAfter(want.reply(), "\n")
	more := strings.Join(lines[:3], "") + "mood good\ncount smiles 7\ncount\ndoor\ndoor \"a\" b\n\nweather \"fine today\" 3 4\n" +
		"door \"ssh\" 192.0.2.7 open 1 2 3 4\n" + strings.Join(lines[3:], "")
	if err := parseReply(more, got.line); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
}

// TestTruncated cuts a reply at every byte.
func TestTruncated(t *testing.T) {
	for _, reply := range []string{sample().reply(), "end\n"} {
		for i := range len(reply) {
			if err := parseReply(reply[:i], new(Status).line); err == nil {
				t.Errorf("no error for the first %d bytes: %q", i, reply[:i])
			}
		}
	}
}

func TestBadReplies(t *testing.T) {
	const broken = "the daemon broke off its answer"
	for reply, want := range map[string]string{
		"end\n":                                    "",
		"\nend\n":                                  "",
		"error \"no such door\"\nend\n":            "no such door",
		"pid 1\nerror \"too late\"\nend\n":         "too late",
		"legend\n":                                 broken,
		"END\n":                                    broken,
		"pid 1 end\n":                              broken,
		"error \"no such door\"\n":                 broken,
		"error \"no\nend\n":                        "read the daemon's answer: a quoted word does not end",
		"pid x\nend\n":                             "invalid syntax",
		"now 99999999999999999999\nend\n":          "out of range",
		"count packets -1\nend\n":                  "invalid syntax",
		"door \"a\" 192.0.2.7 open 1 - x\nend\n":   "invalid syntax",
		"door \"a\" 192.0.2.7 open 1 x 0\nend\n":   "invalid syntax",
		"door \"a\" 192.0.2.7 open 1.5 - 0\nend\n": "invalid syntax",
	} {
		err := parseReply(reply, new(Status).line)
		if text := errorText(err); (want == "") != (err == nil) || !strings.Contains(text, want) {
			t.Errorf("%q: %v, want %q", reply, err, want)
		}
	}
}

func TestCounters(t *testing.T) {
	names := map[string]bool{}
	for i, c := range counters {
		if c.name == "" || c.help == "" || names[c.name] {
			t.Errorf("counter %d: %+v", i, c)
		}
		names[c.name] = true
	}
}
