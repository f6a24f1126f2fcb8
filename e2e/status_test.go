package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

// friendsDoor wants a start and a stop command.
const friendsDoor = "[openSSH]\n\tsequence = 7000,8000,9000\n\ttcpflags = syn\n\tcmd_timeout = 600\n" +
	"\tstart_command = %s\n\tstop_command = %s\n"

// report is what sesame status --json says.
type report struct {
	Daemons []struct {
		Version   string
		Interface string
		Listening []string
		Waiting   []string
		Config    string
		StateFile string `json:"state_file"`
		PID       int
		Started   time.Time
		Uptime    float64 `json:"uptime_seconds"`
		Attempts  int
		Counters  map[string]uint64
		Doors     []struct {
			Door, Address, State string
			Opened               time.Time
			Remaining            *float64 `json:"remaining_seconds"`
			Failures             int      `json:"stop_failures"`
		}
	}
}

// report asks for the status of the daemons that args say.
func (l *lab) report(args ...string) (r report) {
	l.t.Helper()
	code, out := l.command(append([]string{"status", "--json"}, args...)...)
	if code != 0 {
		l.t.Fatalf("exit status %d: %s", code, out)
	}
	in := json.NewDecoder(strings.NewReader(out))
	in.DisallowUnknownFields()
	if err := in.Decode(&r); err != nil {
		l.t.Fatalf("%v:\n%s", err, out)
	}
	if _, err := in.Token(); err != io.EOF {
		l.t.Errorf("something follows the JSON text: %v", err)
	}
	return r
}

// inside is the number of a process as it is on the gateway.
func inside(t *testing.T, p *process) int {
	t.Helper()
	pid, err := p.PID()
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^NSpid:.*\t(\d+)$`).FindSubmatch(status)
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStatus(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no status")
	l := newLab(t)
	add, remove := l.nftGate()
	began := time.Now()
	d := l.serve(fmt.Sprintf(friendsDoor, add, remove))
	if code, out := l.command("status", "-c", d.conf); code != 0 || !strings.Contains(out, "no door is open") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	l.send(syns(other, 7000)...) // and no further
	l.knock(gateway, "7000", "8000", "9000")
	d.awaitOpen(1)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait("already open, lease renewed")
	ended := time.Now()

	r := l.report("-c", d.conf)
	if len(r.Daemons) != 1 || len(r.Daemons[0].Doors) != 1 {
		t.Fatalf("%+v", r)
	}
	got := r.Daemons[0]
	// The JSON text has whole seconds.
	during := func(at time.Time) bool { return !at.Before(began.Truncate(time.Second)) && !at.After(ended) }
	if !slices.Equal(got.Listening, []string{netns.GatewayIf}) || got.Waiting == nil || len(got.Waiting) != 0 {
		t.Errorf("listening on %q, waiting for %q", got.Listening, got.Waiting)
	}
	if got.Version != "dev" || got.Interface != netns.GatewayIf || got.Config != d.conf || got.StateFile != d.stateFile() ||
		got.PID != inside(t, d.process) || !during(got.Started) || got.Uptime <= 0 || got.Uptime > time.Since(began).Seconds() || got.Attempts != 1 {
		t.Errorf("the daemon: %+v", got)
	}
	if b, err := os.ReadFile(got.StateFile); err != nil || !strings.Contains(string(b), client) {
		t.Errorf("the state file: %v\n%s", err, b)
	}
	// Seven SYNs and those of the sentinel; knock gives up each connection.
	c := got.Counters
	if c["openings"] != 1 || c["renewals"] != 1 || c["packets"] < 7 || c["start_failures"]+c["stop_failures"]+c["state_failures"] != 0 {
		t.Errorf("counters %v", c)
	}
	door := got.Doors[0]
	if door.Door != "openSSH" || door.Address != client || door.State != "open" || !during(door.Opened) || door.Failures != 0 ||
		door.Remaining == nil || *door.Remaining <= 590 || *door.Remaining > 600 {
		t.Errorf("the door: %+v", door)
	}
	l.checkTable(d)
	l.checkPrometheus(d)

	if code, out := l.command("close", "openSSH", client, "-c", d.conf); code != 0 || !strings.Contains(out, "1 door shut") {
		t.Errorf("close: exit status %d: %s", code, out)
	}
	l.wantFriends()
	if r := l.report("-c", d.conf); len(r.Daemons[0].Doors) != 0 || r.Daemons[0].Counters["openings"] != 1 {
		t.Errorf("after the close: %+v", r)
	}
}

func (l *lab) checkTable(d *served) {
	l.t.Helper()
	code, out := l.command("status", "-c", d.conf)
	row := regexp.MustCompile(`(?m)^openSSH +192\.0\.2\.2 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +(10 min 0 s|9 min \d+ s) +open$`)
	if code != 0 || !row.MatchString(out) {
		l.t.Errorf("exit status %d, want a line like %s:\n%s", code, row, out)
	}
	for _, want := range []string{"listening on wan, " + d.conf, "state file " + d.stateFile(), "1  attempts in flight", "1  doors opened, by knocks and by hand"} {
		if !strings.Contains(out, want) {
			l.t.Errorf("the table does not say %q:\n%s", want, out)
		}
	}
}

// checkPrometheus looks at every line: what each name is, is said once, before
// its samples, and no two samples are of one name and labels.
func (l *lab) checkPrometheus(d *served) {
	l.t.Helper()
	code, out := l.command("status", "--prometheus", "-c", d.conf)
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\}) (\d+(?:\.\d+)?)$`)
	kinds, values := map[string]string{}, map[string]string{}
	helped := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		f := strings.Fields(line)
		m := sample.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "# HELP ") && len(f) > 3:
			helped = f[2]
		case strings.HasPrefix(line, "# TYPE ") && len(f) == 4 && f[2] == helped && kinds[f[2]] == "":
			kinds[f[2]] = f[3]
		case m != nil && m[1] == helped && kinds[m[1]] != "" && values[m[1]+m[2]] == "":
			values[m[1]+m[2]] = m[3]
		default:
			l.t.Errorf("unexpected line: %s", line)
		}
	}
	labels := `{interface="wan",config="` + d.conf + `"`
	for key, want := range map[string]string{
		"sesame_openings_total" + labels + "}":                    "1",
		"sesame_renewals_total" + labels + "}":                    "1",
		"sesame_attempts" + labels + "}":                          "1",
		"sesame_doors" + labels + `,door="openSSH",state="open"}`: "1",
		"sesame_stop_failures_total" + labels + "}":               "0",
	} {
		if values[key] != want {
			l.t.Errorf("%s is %q, want %s", key, values[key], want)
		}
	}
	if code != 0 || kinds["sesame_openings_total"] != "counter" || kinds["sesame_doors"] != "gauge" {
		l.t.Errorf("exit status %d, kinds %v:\n%s", code, kinds, out)
	}
}
