package exec

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fill takes all room that a file system has left.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{64 << 10, 4 << 10, 1} {
		for block := make([]byte, n); ; {
			if _, err := f.Write(block); err != nil {
				break
			}
		}
	}
	return func() {
		f.Close()
		os.Remove(f.Name())
	}
}

// openAll opens doors until one is refused, and returns how many are open.
func (r *rig) openAll(d *Door) (n int) {
	r.t.Helper()
	for ; n < r.settings.MaxOpen; n++ {
		if r.l.Open(r.at(), d, source(n)) == Refused {
			return n
		}
		r.idle()
		r.synced()
	}
	r.t.Fatalf("%d doors are open, and the disk is not full", n)
	return 0
}

// shutAll lets all leases end and checks that each is shut, and that it is so
// recorded.
func (r *rig) shutAll(n int) {
	r.t.Helper()
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	r.synced()
	for i := range n {
		if r.count("shut "+source(i).String()) != 1 {
			r.t.Errorf("%s was not shut once", source(i).String())
		}
	}
	if s := r.l.Stats(); s.StopFailed != 0 {
		r.t.Errorf("%+v", s)
	}
	if told := replayed(r.t, r.settings.StateFile); told.live != 0 {
		r.t.Errorf("the file has %d leases after all were shut", told.live)
	}
}

// TestFullDisk opens doors until the disk is full: what is open can be shut,
// and then others can be opened.
func TestFullDisk(t *testing.T) {
	r := newStateRig(t, DefaultOpen, filepath.Join(tmpfs(t, 4096), "state"))
	d := sshDoor("true", "echo shut %IP%")
	for round := range 20 {
		r.lines = nil
		refused := r.l.Stats().Refused
		n := r.openAll(d)
		if n < 10 && round == 0 || n == 0 { // later the file has a history, until that is in the way
			t.Fatalf("a page has room for %d leases", n)
		}
		want := source(n).String() + ": ssh: not opened: its end could be forgotten: write the state file " + r.settings.StateFile + ": no space left on device"
		if r.count(want) != 1 || r.l.Stats().Refused != refused+1 || r.l.Len() != n {
			t.Errorf("%d leases, %d refused, log %q", r.l.Len(), r.l.Stats().Refused, r.lines)
		}
		if told := replayed(t, r.settings.StateFile); told.live != n {
			t.Errorf("the file has %d leases, want %d", told.live, n)
		}
		if failed := r.l.Stats().StateFailed; failed != r.l.Stats().Refused {
			t.Errorf("%d writes failed, want that of each refusal", failed)
		}
		r.shutAll(n)
	}
	n := r.openAll(d)
	r.restart()
	if r.l.Len() != n {
		t.Errorf("%d leases after a restart, want %d", r.l.Len(), n)
	}
	r.shutAll(n)
	if failed := r.l.Stats().StateFailed; failed != 0 {
		t.Errorf("%d writes failed after the restart", failed)
	}
}

// TestRoomIsForTheEnd renews leases on a full disk: that does not use up the
// room for their ends.
func TestRoomIsForTheEnd(t *testing.T) {
	r := newStateRig(t, DefaultOpen, filepath.Join(tmpfs(t, 4096), "state"))
	d := sshDoor("true", "echo shut %IP%")
	n := r.openAll(d)
	for range 30 {
		r.pass(2 * time.Second)
		for i := range n {
			if got := r.l.Open(r.at(), d, source(i)); got != Renewed {
				t.Fatalf("a renewal on a full disk is %d", got)
			}
		}
		r.synced()
	}
	r.shutAll(n)
}

// TestRoomAfterRestart fills the disk while no daemon runs, and while one does
// that has written its file anew.
func TestRoomAfterRestart(t *testing.T) {
	dir := tmpfs(t, 256<<10)
	r := newStateRig(t, DefaultOpen, filepath.Join(dir, "state"))
	d := sshDoor("true", "echo shut %IP%")
	const n = 200
	open := func() {
		r.lines = nil
		for i := range n {
			r.l.Open(r.at(), d, source(i))
		}
		r.idle()
		r.synced()
	}
	open()
	r.l.journal.replace(r.l.records)
	r.synced()
	free := fill(t, dir)
	r.shutAll(n)
	free()
	r.crash()
	var records []record // by a daemon that could not reserve any
	for i := range n {
		records = append(records, openRecord(uint64(i+1), source(i), r.now.Add(30*time.Second)))
	}
	writeRecords(t, r.settings.StateFile, records...)
	r.restart()
	free = fill(t, dir)
	r.shutAll(n)
	if failed := r.l.Stats().StateFailed; failed != 0 {
		t.Errorf("%d writes failed after the restart", failed)
	}
	free()
}

// TestTornWrite has the disk fill up in the middle of a record: nothing of it
// is left in the file.
func TestTornWrite(t *testing.T) {
	r := newStateRig(t, DefaultOpen, filepath.Join(tmpfs(t, 4096), "state"))
	d := sshDoor("true", "echo shut %IP%")
	n := 0
	for ; r.l.Len() == n; n++ {
		r.l.journal.reserved = math.MaxInt64 // as where there is no way to reserve
		r.l.Open(r.at(), d, source(n))
		r.idle()
		r.synced()
	}
	if told := replayed(t, r.settings.StateFile); told.live != n-1 || n < 20 {
		t.Errorf("the file has %d leases of %d", told.live, n-1)
	}
	r.restart()
	if r.logs("damaged") || r.logs("in full") || r.l.Len() != n-1 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
}

// TestTornWriteStays has a torn record that cannot be cut off: the next one
// begins a line, and none that follows is cut off in its place.
func TestTornWriteStays(t *testing.T) {
	j, _, err := openJournal(statePath(t), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	half := []byte("00000000 ope")
	if _, err := unix.Write(j.fd, half); err != nil {
		t.Fatal(err)
	}
	j.size, j.torn = j.size+int64(len(half)), true
	for id := range uint64(3) {
		r := openRecord(id+1, alice, 1e9)
		if err := j.append(&r); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(j.path); err != nil || st.Size() != j.size {
		t.Errorf("the file has %d bytes, the journal thinks %d", st.Size(), j.size)
	}
	if data, err := os.ReadFile(j.path); err != nil || strings.Count(string(data), "\n") != 5 {
		t.Errorf("the torn record is part of another line: %q, %v", data, err)
	}
	j.torn = true
	if err := j.start(); err != nil {
		t.Fatal(err)
	}
	j.close()
	if got, err := os.ReadFile(j.path); err != nil || string(got) != stateHeader {
		t.Errorf("a file emptied: %q, %v", got, err)
	}
}

// TestReadOnly names a state file where nothing can be written.
func TestReadOnly(t *testing.T) {
	dir := tmpfs(t, 1<<20)
	write(t, filepath.Join(dir, "there"), stateHeader)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal("remount: ", err)
	}
	for _, name := range []string{"there", "new", "in/new"} {
		path := filepath.Join(dir, name)
		want := "use the state file " + path + ": open: read-only file system"
		if name == "in/new" {
			want = "use the state file " + path + ": open: no such file or directory"
		}
		if _, err := NewLeases(Settings{StateFile: path, MaxOpen: 1, Log: func(string) {}}, Instant{}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestTooLong refuses a record that could not be read again.
func TestTooLong(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	d := sshDoor("true", strings.Repeat("\x00", maxRecord/4))
	if got := r.l.Open(r.at(), d, alice); got != Refused || !r.logs("the commands are too long to be recorded") {
		t.Errorf("opened: %d, log %q", got, r.lines)
	}
	if told := replayed(t, r.settings.StateFile); told.lines != 1 {
		t.Errorf("%d lines in the file", told.lines)
	}
	long := sshDoor("true", "true "+strings.Repeat("x", 100<<10))
	r.l.Open(r.at(), long, bob)
	r.idle()
	r.restart()
	if left := r.l.Left(); !slices.Equal(left, []string{long.Stop}) {
		t.Errorf("%d leases", len(left))
	}
}
