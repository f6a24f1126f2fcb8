package main

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sesame/control"
	"sesame/exec"
	"sesame/fault"
	"sesame/matcher"
)

// anyName returns a path or an interface of what escape may take for its own.
func anyName(r *rand.Rand, pieces, most int) string {
	list := []string{"a", "b", "etc", "+", "@", "%", "%2b", "2b", ".", "..", " ", "é", "\n", "/"}
	var b strings.Builder
	for range 1 + r.IntN(pieces) {
		b.WriteString(list[r.IntN(len(list))])
	}
	return b.String()[:min(b.Len(), most)]
}

func TestInstance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type daemon struct{ config, iface string }
	seen := map[string]daemon{}
	longest := 0
	for i := range 100_000 {
		d := daemon{"/" + anyName(r, []int{3, 6, 100}[i%3], 400), strings.ReplaceAll(anyName(r, 4, unix.IFNAMSIZ-1), "/", ":")}
		name := instance(d.config, d.iface)
		if before, ok := seen[name]; ok && before != d {
			t.Fatalf("%q and %q are both %q", before, d, name)
		}
		seen[name] = d
		longest = max(longest, len(name))
		if strings.ContainsAny(name, "/\x00") || name == "" {
			t.Fatalf("%q becomes %q", d, name)
		}
	}
	if path := runtimeDir() + "/" + strings.Repeat("x", longest) + control.Suffix; len(path) > 107 || longest != maxName {
		t.Errorf("names of up to %d bytes make a path of %d", longest, len(path))
	}
	if got := instance("/etc/knockd.conf", "eth0"); got != "etc+knockd.conf@eth0" {
		t.Error(got)
	}
	long := strings.Repeat("/long", 20) + ".conf"
	for _, other := range []string{"/x" + long, "/y" + long, strings.Replace(long, "long", "lung", 1)} {
		if instance(other, "wan") == instance(long, "wan") {
			t.Errorf("%s is the same as %s", other, long)
		}
	}
}

func TestEscape(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[string]string{}
	for range 100_000 {
		path := "/" + anyName(r, 5, 400)
		name := escape(path)
		if before, ok := seen[name]; ok && before != path {
			t.Fatalf("%q and %q are both %q", before, path, name)
		}
		seen[name] = path
		if strings.ContainsAny(name, "/@") {
			t.Fatalf("%q becomes %q", path, name)
		}
	}
}

// TestSockets finds daemons by what the command line says.
func TestSockets(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "") // t.TempDir may leave too little of a path's 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("RUNTIME_DIRECTORY", dir+":/elsewhere")
	long := strings.Repeat("/d+@%", 30)
	daemons := [][2]string{{"/a.conf", "wan"}, {"/a.conf", "lan"}, {"/a", "wan"}, {"-", "wan"}, {long, "wan"}, {long, "w+@%"}, {"/b", "w+@%"}}
	for _, d := range daemons {
		s, err := control.Listen(dir+"/"+instance(d[0], d[1])+control.Suffix, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	for _, tt := range []struct{ config, iface string }{
		{"", ""}, {"/a.conf", ""}, {"/a", ""}, {"-", ""}, {"", "wan"}, {"", "w+@%"}, {"/a.conf", "lan"}, {"/a", "lan"},
		{long, ""}, {long, "wan"}, {long, "w+@%"}, {"/b", "w+@%"}, {"/b", ""}, {"/c", ""}, {"", "eth0"},
	} {
		var want []string
		for _, d := range daemons {
			if (tt.config == "" || tt.config == d[0]) && (tt.iface == "" || tt.iface == d[1]) {
				want = append(want, dir+"/"+instance(d[0], d[1])+control.Suffix)
			}
		}
		slices.Sort(want)
		o := options{config: tt.config, iface: tt.iface}
		if got, err := o.sockets(); !slices.Equal(got, want) || (err == nil) != (len(want) > 0) {
			t.Errorf("%+v: %q, %v; want %q", tt, got, err, want)
		}
	}
}

func TestUnwritable(t *testing.T) {
	for err, want := range map[error]bool{
		unix.EROFS: true, unix.EACCES: true, unix.EPERM: true, unix.ENOENT: true, unix.ENOTDIR: true, unix.ENOSPC: true,
		unix.EIO: false, unix.EAGAIN: false, errors.New("it is in use"): false,
	} {
		if got := unwritable(fault.New("use it", fault.New("open", err))); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// places are where a daemon may keep its state.
type places struct {
	state, run string
	log        func() string
}

// stateDaemon returns a daemon that is about to open its leases.
func stateDaemon(t *testing.T) (*daemon, *places) {
	t.Helper()
	dir := t.TempDir()
	p := &places{state: filepath.Join(dir, "state"), run: filepath.Join(dir, "run")}
	t.Setenv("STATE_DIRECTORY", p.state)
	t.Setenv("RUNTIME_DIRECTORY", p.run)
	d := &daemon{options: options{config: "/etc/knockd.conf", iface: "wan", dir: dir}, loop: testLoop(t), counts: counts{next: matcher.Never}, links: links{next: matcher.Never}, guard: matcher.NewGuard(0, matcher.Key{})}
	d.log, p.log = newTestLogger(t)
	return d, p
}

// block makes a place one that cannot be written to, by root neither.
func block(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// hold has another process keep a state file, for as long as the test runs.
func hold(t *testing.T, path string) {
	t.Helper()
	c := osexec.Command(os.Args[0], "-test.run=^TestHolder$")
	c.Env = append(os.Environ(), "SESAME_HOLD="+path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	b := make([]byte, len("held"))
	if _, err := io.ReadFull(out, b); err != nil || string(b) != "held" {
		t.Fatalf("%q, %v", b, err)
	}
}

// TestHolder is the other process.
func TestHolder(t *testing.T) {
	path := os.Getenv("SESAME_HOLD")
	if path == "" {
		return
	}
	l, err := exec.NewLeases(exec.Settings{MaxOpen: 1, StateFile: path, Log: func(string) {}}, exec.Instant{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.Stdout.WriteString("held")
	io.ReadAll(os.Stdin)
}

func TestOpenLeases(t *testing.T) {
	const name = "etc+knockd.conf@wan"
	for _, tt := range []struct {
		title   string
		options string
		prepare func(t *testing.T, p *places)
		file    func(p *places) string // in use; nil: there is an error
		says    []string               // the log, or the error
	}{
		{"usual", "", func(*testing.T, *places) {}, func(p *places) string { return p.state + "/" + name }, nil},
		{
			"state unwritable", "", func(t *testing.T, p *places) { block(t, p.state) },
			func(p *places) string { return p.run + "/" + name + ".state" },
			[]string{"STATE/" + name, "not a directory", "; RUN/" + name + ".state is used, which a reboot may not leave"},
		},
		{
			"both unwritable", "", func(t *testing.T, p *places) { block(t, p.state); block(t, p.run) },
			func(*places) string { return "" },
			[]string{"STATE/" + name, "not a directory", "leases are kept in memory", "StateFile"},
		},
		{
			"named", "[options]\nStateFile = here/doors\n", func(t *testing.T, p *places) { block(t, p.state) },
			func(p *places) string { return filepath.Dir(p.state) + "/here/doors" }, nil,
		},
		{
			"named, unwritable", "[options]\nStateFile = state/doors\n", func(t *testing.T, p *places) { block(t, p.state) },
			nil, []string{"use the state file STATE/doors: ", "not a directory"},
		},
		{"in use", "", func(t *testing.T, p *places) { hold(t, p.state+"/"+name) }, nil, []string{"it is in use by process"}},
		{"second in use", "", func(t *testing.T, p *places) {
			block(t, p.state)
			hold(t, p.run+"/"+name+".state")
		}, nil, []string{"RUN/" + name + ".state", "it is in use by process"}},
		{"not ours", "", func(t *testing.T, p *places) {
			if err := os.Mkdir(p.state, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.state+"/"+name, []byte("precious\nfile\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, []string{"it is something else"}},
	} {
		t.Run(tt.title, func(t *testing.T) {
			d, p := stateDaemon(t)
			tt.prepare(t, p)
			d.doors = parseDoors(t, tt.options+"[ssh]\nsequence = 7000\n")
			err := d.openLeases(d.doors.config)
			says := p.log()
			if err != nil {
				says += err.Error()
			}
			if (err == nil) != (tt.file != nil) || (says == "") != (tt.says == nil) {
				t.Fatalf("error %v, log %q", err, p.log())
			}
			for _, text := range tt.says {
				if text = strings.NewReplacer("STATE", p.state, "RUN", p.run).Replace(text); !strings.Contains(says, text) {
					t.Errorf("%q is not in %q", text, says)
				}
			}
			if err != nil {
				if _, err := os.Stat(p.run + "/" + name); !errors.Is(err, fs.ErrNotExist) {
					t.Error("there is another file:", err)
				}
				return
			}
			defer d.leases.Close()
			file := tt.file(p)
			if d.leases.StateFile != file {
				t.Errorf("state file %q, want %q", d.leases.StateFile, file)
			}
			if _, err := os.Stat(file); file != "" && err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBootID(t *testing.T) {
	if id := bootID(); len(id) != 8 || id != bootID() || strings.ContainsAny(id, " \n") {
		t.Errorf("%q", id)
	}
}
