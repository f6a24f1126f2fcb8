package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// finish runs a program outside of any namespace and returns its exit status
// and what it printed. One that does not end is killed.
func finish(t *testing.T, cmd *exec.Cmd) (code int, out string) {
	t.Helper()
	p, err := netns.Start(cmd)
	if suite.Denied(err) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	code, err = p.Exit(netns.Deadline)
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatal(err)
	}
	return code, strings.Join(p.Lines(), "\n")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no check")
	d := underTest(t)
	tests := []struct {
		name, text string
		code       int
		says       []string // FILE stands for the file's path
	}{
		{"good", `[options]
	UseSyslog
[openSSH]
	sequence = 7000,9000:udp,8000
	tcpflags = syn
	start_command = /bin/true %IP%
	cmd_timeout = 30
	stop_command = /bin/true %IP%
`, 0, []string{"openSSH", "7000", "9000", "udp", "8000"}},
		{"one error", "[openSSH]\n\tsequence = abc\n", 1, []string{"FILE:2: sequence: "}},
		{"all errors at once", "[one]\n\tsequence = 7000,-1\n\tseq_timeout = abc\n[two]\n\tsequence = 1,2,\n\ttcpflags = foo\n",
			1, []string{"FILE:2: sequence: ", "FILE:3: seq_timeout: ", "FILE:5: sequence: ", "FILE:6: tcpflags: "}},
		{"ascending", "[d]\n\tsequence = 7000,8000,9000\n\tcommand = true\n[options]\n\tscan_guard = no\n", 0, []string{":1: d: the ports only rise"}},
		{"descending", "[d]\n\tsequence = 9000,8000,7000\n\tcommand = true\n[options]\n\tscan_guard = no\n", 0, []string{":1: d: the ports only fall"}},
		{"not guarded from other packets", "[d]\n\tsequence = 7000,8000,9000\n\tcommand = true\n", 0, []string{"note: FILE:1: d: the scan guard sees scans with SYN alone"}},
		{"prefix", "[short]\n\tsequence = 7000,9000\n[long]\n\tsequence = 7000,9000,8000\n", 0, []string{":1: short: its sequence is the beginning of long (line 3)"}},
		{"stop without address", "[d]\n\tsequence = 7000,9000,8000\n\tstart_command = /bin/true %IP%\n\tcmd_timeout = 5\n\tstop_command = /bin/true\n",
			0, []string{":1: d: stop_command has no %IP%"}},
		{"no such program", "[d]\n\tsequence = 7000,9000,8000\n\tcommand = /nonexistent/tool %IP%\n", 0, []string{":1: d: ", `cannot run "/nonexistent/tool": file does not exist`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "knockd.conf")
			if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			code, out := finish(t, exec.Command(d.path, "check", "-c", path))
			if code != test.code {
				t.Errorf("exit status %d, want %d; printed:\n%s", code, test.code, out)
			}
			for _, s := range test.says {
				if s = strings.ReplaceAll(s, "FILE", path); !strings.Contains(out, s) {
					t.Errorf("does not say %q; printed:\n%s", s, out)
				}
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		t.Parallel()
		const path = "/nonexistent/knockd.conf"
		code, out := finish(t, exec.Command(d.path, "check", "-c", path))
		if code != 1 || !strings.Contains(out, path) {
			t.Errorf("exit status %d, want 1; printed:\n%s", code, out)
		}
	})
}
