package control

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	noon   = 1_772_627_696_000_000_000 // 2026-03-04 12:34:56 UTC
	second = int64(time.Second)
)

// sample is a status with doors in every state.
func sample() *Status {
	s := &Status{
		Version: "1.2", Interface: "wan", Listening: "wan", Config: "/etc/knockd.conf", StateFile: "/var/lib/sesame/etc+knockd.conf@wan",
		PID: 123, Now: noon + 90*second, Started: noon - 86400*second, Attempts: 3,
		Doors: []Door{
			{Name: "ssh", Address: "192.0.2.7", State: "open", Opened: noon, Left: 3599 * time.Second},
			{Name: "ssh", Address: "2001:db8::7", State: "opening", Opened: noon + 80*second, Left: Unknown},
			{Name: "Tür zum Hof, hinten", Address: "192.0.2.8", State: "retrying", Opened: noon, Left: 1500 * time.Millisecond, Failures: 2},
			{Name: "a\x1b[2J\n\"b\"", Address: "192.0.2.9", State: "stuck", Opened: noon, Left: Unknown, Failures: 11},
			{Name: "my door", Address: "192.0.2.10", State: "open", Opened: noon, Left: -5 * time.Second},
		},
	}
	for i := range s.Counters {
		s.Counters[i] = uint64(i * i * i)
	}
	return s
}

// other is a second daemon, hostile to whoever reads of it.
func other() *Status {
	return &Status{
		Version: "dev", Interface: "eth0", Listening: "ppp0, \"x\x1b", Waiting: "wg0, tun*", Config: "/etc/\"k\\n\nd\u2028\x00\xff.conf", Now: noon, Started: noon - 1,
		Doors: []Door{
			{Name: "\xffa", Address: "192.0.2.7", State: "open", Opened: noon, Left: 1},
			{Name: "\xfea", Address: "192.0.2.7", State: "open", Opened: noon, Left: 1},
			{Name: "q\"}\\ \n# x", Address: "192.0.2.7", State: "open", Opened: noon, Left: 1},
		},
	}
}

func TestTable(t *testing.T) {
	const want = `sesame 1.2, process 123, listening on wan, /etc/knockd.conf
started 2026-03-03 12:34:56, 1 d 0 h ago
state file /var/lib/sesame/etc+knockd.conf@wan

DOOR                 ADDRESS      OPENED               REMAINING    STATE
ssh                  192.0.2.7    2026-03-04 12:34:56  59 min 59 s  open
ssh                  2001:db8::7  2026-03-04 12:36:16  -            opening
Tür zum Hof, hinten  192.0.2.8    2026-03-04 12:34:56  2 s          retrying, stop failures: 2
"a\x1b[2J\n\"b\""    192.0.2.9    2026-03-04 12:34:56  -            stuck, stop failures: 11
my door              192.0.2.10   2026-03-04 12:34:56  0 s          open

   3  attempts in flight
   0  packets that passed the filter
   1  packets that came faster than they could be read
   8  packets that were not looked at
  27  attempts that gave way to newer ones
  64  packets to decoys, as port scans send them
 125  knocks of sources that touched a decoy
 216  doors opened, by knocks and by hand
 343  knocks at doors that were open already
 512  doors not opened, for want of a lease or a record of it
 729  start commands that failed
1000  stop commands that failed
1331  writes to the state file that failed
1728  log lines that could not be written
`
	if got := string(sample().AppendTable(nil, time.UTC)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestTablePlain shows daemons at their worst: nothing but text and newlines
// reaches the terminal.
func TestTablePlain(t *testing.T) {
	got := string(other().AppendTable(nil, time.FixedZone("", 3600)))
	for _, want := range []string{"interfaces \"ppp0, \\\"x\\x1b\"\nwaiting for wg0, tun*\nno state file", "\"/etc/\\\"k\\\\n\\nd\\u2028\\x00\\xff.conf\"\nstarted 2026-03-04 13:34:55, 1 s ago\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	empty := &Status{Version: "dev"}
	if got := string(empty.AppendTable(nil, time.UTC)); !strings.Contains(got, "\n\nno door is open\n\n") {
		t.Errorf("%s", got)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		checkPlain(t, anyStatus(r).AppendTable(nil, time.UTC))
	}
}

func checkPlain(t *testing.T, table []byte) {
	t.Helper()
	if i := bytes.IndexFunc(table, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || !utf8.Valid(table) {
		t.Fatalf("byte %d of %q", i, table)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 1: "1 s", time.Second: "1 s", time.Second + 1: "2 s", 59 * time.Second: "59 s", 59*time.Second + 1: "1 min 0 s",
		time.Hour - 1: "1 h 0 min", 25*time.Hour - time.Second: "1 d 0 h", 49 * time.Hour: "2 d 1 h", 23*time.Hour + 59*time.Minute: "23 h 59 min",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.000", 999_999: "0.000", 1_000_000: "0.001", -1_000_000: "-0.001", -999_999: "0.000", 61_050_000_000: "61.050",
		-1 << 63: "-9223372036.854",
	} {
		if got := decimal(ns); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

type jsonDoor struct {
	Door, Address, State string
	Opened               time.Time
	Remaining            *float64 `json:"remaining_seconds"`
	Failures             int      `json:"stop_failures"`
}

type jsonDaemon struct {
	Version, Interface, Config string
	Listening, Waiting         []string
	StateFile                  string `json:"state_file"`
	PID                        int
	Started                    time.Time
	Uptime                     float64 `json:"uptime_seconds"`
	Attempts                   int
	Counters                   map[string]uint64
	Doors                      []jsonDoor
}

// parseJSON is strict with names, and with what a reader may drop silently.
func parseJSON(t *testing.T, text []byte) []jsonDaemon {
	t.Helper()
	var v struct{ Daemons []jsonDaemon }
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil || d.More() || !utf8.Valid(text) || bytes.Count(text, []byte("\n")) != 1 {
		t.Fatalf("%v in %q", err, text)
	}
	return v.Daemons
}

func TestJSON(t *testing.T) {
	a, b := sample(), other()
	got := parseJSON(t, AppendJSON(nil, []*Status{a, b}))
	if len(got) != 2 {
		t.Fatalf("%d daemons", len(got))
	}
	for i, s := range []*Status{a, b} {
		want := jsonDaemon{
			Version: s.Version, Interface: s.Interface, Config: strings.ToValidUTF8(s.Config, "\ufffd"), StateFile: s.StateFile, PID: s.PID,
			Started: time.Unix(s.Started/second, 0).UTC(), Uptime: float64((s.Now-s.Started)/1e6) / 1e3, Attempts: s.Attempts,
			Counters: map[string]uint64{}, Listening: []string{"wan"}, Waiting: []string{},
		}
		if i == 1 {
			want.Listening, want.Waiting = []string{"ppp0", "\"x\x1b"}, []string{"wg0", "tun*"}
		}
		for k, n := range s.Counters {
			want.Counters[counters[k].name] = n
		}
		for _, d := range s.Doors {
			j := jsonDoor{strings.ToValidUTF8(d.Name, "\ufffd"), d.Address, d.State, time.Unix(d.Opened/second, 0).UTC(), nil, d.Failures}
			if d.Left != Unknown {
				left := float64(d.Left.Milliseconds()) / 1e3
				j.Remaining = &left
			}
			want.Doors = append(want.Doors, j)
		}
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("daemon %d: %+v\nwant %+v", i, got[i], want)
		}
	}
	if got := string(AppendJSON([]byte("x"), nil)); got != "x{\"daemons\":[]}\n" {
		t.Errorf("%q", got)
	}
	empty := parseJSON(t, AppendJSON(nil, []*Status{{}}))
	if empty[0].Doors == nil || len(empty[0].Doors) != 0 {
		t.Error("no doors are not an empty list")
	}
}

func TestJSONStrings(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		text, got := hostile(r), ""
		b := appendString(nil, text)
		want := string([]rune(text)) // each bad byte becomes one U+FFFD
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%q becomes %s, and then %q, %v", text, b, got, err)
		}
	}
}

var sampleLine = regexp.MustCompile(`^(sesame_[a-z_]+)(\{interface="(?:[^"\\\n]|\\[\\"n])*",config="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\}) -?[0-9]+(?:\.[0-9]+)?$`)

// checkPrometheus checks the form: each metric in one group, its HELP and TYPE
// first, no sample twice.
func checkPrometheus(t *testing.T, text string) (samples map[string]int) {
	t.Helper()
	samples, metric, seen := map[string]int{}, "", map[string]bool{}
	body, ok := strings.CutSuffix(text, "\n")
	if !ok || !utf8.ValidString(text) {
		t.Fatalf("%q", text)
	}
	lines := strings.Split(body, "\n")
	for i := 0; i < len(lines); i++ {
		if name, ok := strings.CutPrefix(lines[i], "# HELP "); ok {
			metric, _, _ = strings.Cut(name, " ")
			i++
			if i == len(lines) || lines[i] != "# TYPE "+metric+" counter" && lines[i] != "# TYPE "+metric+" gauge" || seen[metric] {
				t.Fatalf("metric %s, line %d of\n%s", metric, i+1, text)
			}
			seen[metric] = true
			continue
		}
		m := sampleLine.FindStringSubmatch(lines[i])
		if m == nil || m[1] != metric || samples[m[1]+m[2]] != 0 {
			t.Fatalf("line %d, %q, of\n%s", i+1, lines[i], text)
		}
		samples[m[1]+m[2]]++
		samples[metric]++
	}
	return samples
}

func TestPrometheus(t *testing.T) {
	text := string(AppendPrometheus(nil, []*Status{sample(), other()}))
	samples := checkPrometheus(t, text)
	for name, n := range map[string]int{"sesame_start_time_seconds": 2, "sesame_attempts": 2, "sesame_packets_total": 2, "sesame_log_lost_total": 2, "sesame_doors": 7} {
		if samples[name] != n {
			t.Errorf("%d samples of %s, want %d", samples[name], name, n)
		}
	}
	for _, line := range []string{
		"# HELP sesame_openings_total doors opened, by knocks and by hand.\n# TYPE sesame_openings_total counter\nsesame_openings_total{interface=\"wan\",config=\"/etc/knockd.conf\"} 216\n",
		"\nsesame_start_time_seconds{interface=\"wan\",config=\"/etc/knockd.conf\"} 1772541296.000\n",
		"\nsesame_doors{interface=\"wan\",config=\"/etc/knockd.conf\",door=\"a\x1b[2J\\n\\\"b\\\"\",state=\"stuck\"} 1\n",
		",config=\"/etc/\\\"k\\\\n\\nd\u2028\x00\ufffd.conf\",door=\"\ufffda\",state=\"open\"} 2\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
	r := rand.New(rand.NewPCG(9, 10))
	for range 300 {
		checkPrometheus(t, string(AppendPrometheus(nil, []*Status{anyStatus(r)})))
	}
}

// TestPromtool has Prometheus' own tool judge.
func TestPromtool(t *testing.T) {
	const tool = "promtool"
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(tool + " is not installed; make test installs it")
	}
	for name, all := range map[string][]*Status{"none": nil, "one": {sample()}, "two": {sample(), other()}, "no doors": {{}}} {
		check := exec.Command(tool, "check", "metrics")
		check.Stdin = bytes.NewReader(AppendPrometheus(nil, all))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
