package exec

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// begun opens a lease without its command, which would take most of the time.
func (r *rig) begun(d *Door, src matcher.Addr) int32 {
	r.t.Helper()
	r.l.at = r.at()
	i := r.l.alloc()
	le := r.l.add(i, d.commands(src), src, d.Lease)
	le.state = starting
	if err := r.l.record(le); err != nil {
		r.t.Fatal(err)
	}
	r.l.started(i)
	return i
}

// check compares what the file with the name says with the leases there are. A
// crash at this moment would leave just that.
func (r *rig) check(what string) {
	r.t.Helper()
	told := replayed(r.t, r.settings.StateFile)
	byID := map[uint64]saved{}
	for _, s := range told.leases {
		if s.id != 0 {
			byID[s.id] = s
		}
	}
	for i := range r.l.leases {
		le := &r.l.leases[i]
		if le.state == free {
			continue
		}
		s, ok := byID[le.id]
		if !ok || s.src != le.src || s.door != le.door.Commands || s.end/1e6 != le.end/1e6 {
			r.t.Fatalf("%s: lease %d is %+v in the file, %v, and ends %d here", what, le.id, s, ok, le.end)
		}
		delete(byID, le.id)
	}
	if len(byID) > 0 || told.live != r.l.Len() || r.l.journal.live != told.live {
		r.t.Fatalf("%s: the file has %d leases that have been shut; %d leases, counted %d", what, len(byID), r.l.Len(), r.l.journal.live)
	}
}

// TestFileStaysSmall opens and shuts doors by the thousand, besides some that
// stay open.
func TestFileStaysSmall(t *testing.T) {
	r := newStateRig(t, DefaultOpen, filepath.Join(tmpfs(t, 1<<20), "state"))
	d := sshDoor("true", "true")
	const long, cycles, bound = 20, 10_000, 4*chunk + 1<<10
	for i := range long {
		r.begun(d, source(cycles+i))
	}
	var most int64
	names := map[uint64]bool{}
	for i := range cycles {
		r.l.stopped(r.begun(d, source(i)))
		if i%16 == 0 {
			r.synced()
			var st unix.Stat_t
			if err := unix.Stat(r.settings.StateFile, &st); err != nil {
				t.Fatal(err)
			}
			most, names[st.Ino] = max(most, st.Size), true
		}
	}
	r.synced()
	if most > bound || most < 2*chunk || len(names) < 10 {
		t.Errorf("the file had up to %d bytes, want at most %d; it was made %d times", most, bound, len(names))
	}
	r.check("at the end")
	r.restart()
	if n := r.l.Len(); n != long {
		t.Errorf("%d leases after a restart, want %d", n, long)
	}
}

// TestFileEmptied opens and shuts doors of which none stays open: the file is
// emptied in place, without the writes that a new one takes.
func TestFileEmptied(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	var first, last unix.Stat_t
	if err := unix.Stat(r.settings.StateFile, &first); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		lease := r.begun(sshDoor("true", "true"), source(i))
		r.synced()
		r.l.stopped(lease)
		r.synced()
		if err := unix.Stat(r.settings.StateFile, &last); err != nil || last.Size > chunk+1<<10 || last.Ino != first.Ino {
			t.Fatalf("after %d leases: %d bytes, another file: %v, %v", i, last.Size, last.Ino != first.Ino, err)
		}
	}
}

// TestCompactionModel opens, renews and shuts doors while the file is written
// anew all the time. After every step the file with the name must tell of
// exactly the leases there are.
func TestCompactionModel(t *testing.T) {
	r := newStateRig(t, DefaultOpen, filepath.Join(tmpfs(t, 8<<20), "state"))
	d := sshDoor("true", "true")
	rnd := rand.New(rand.NewPCG(1, 2))
	var live []int32
	replaced := 0
	for step := range 4000 {
		r.now, r.wall = r.now.Add(time.Second), r.wall+int64(time.Second)
		if rnd.IntN(4) == 0 {
			r.l.journal.compact = 0
		}
		before := r.l.journal.fresh.fd >= 0
		switch k := rnd.IntN(14); {
		case k < 3:
			live = append(live, r.begun(d, source(step)))
		case len(live) == 0:
		case k < 6:
			n := rnd.IntN(len(live))
			r.l.stopped(live[n])
			live[n] = live[len(live)-1]
			live = live[:len(live)-1]
		case k == 6:
			r.l.Open(r.at(), d, r.l.leases[live[rnd.IntN(len(live))]].src)
		case k == 7:
			r.synced()
		default:
			r.l.Ready(r.at())
		}
		if before && r.l.journal.fresh.fd < 0 {
			replaced++
		}
		r.check("step " + strconv.Itoa(step))
	}
	if replaced < 100 {
		t.Errorf("the file was written anew %d times only", replaced)
	}
}

// TestWrittenMeanwhile checks both files while the new one is with the disk:
// either may have the name after a crash.
func TestWrittenMeanwhile(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	d := sshDoor("true", "true")
	r.begun(d, alice)
	stopped := r.begun(d, bob)
	r.synced()
	var old unix.Stat_t
	if err := unix.Fstat(r.l.journal.fd, &old); err != nil {
		t.Fatal(err)
	}
	r.l.journal.replace(r.l.records)
	r.pass(5 * time.Second)
	r.begun(d, carol)
	r.l.stopped(stopped)
	r.l.Open(r.at(), d, alice)
	for name, fd := range map[string]int{"old": r.l.journal.fd, "new": r.l.journal.fresh.fd} {
		data, err := io.ReadAll(io.NewSectionReader(fdReader(fd), 0, 1<<20))
		path := statePath(t)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		told := replayed(t, path)
		if live := told.sorted(); err != nil || len(live) != 2 || live[0].src != alice || live[1].src != carol || live[0].end/1e6 != r.now.Add(30*time.Second)/1e6 {
			t.Errorf("the %s file says %+v, %v", name, live, err)
		}
	}
	r.synced()
	r.check("with the new file")
	if err := unix.Stat(r.settings.StateFile, &old); err != nil || r.l.journal.size != old.Size {
		t.Errorf("the file has %d bytes, the journal thinks %d; %v", old.Size, r.l.journal.size, err)
	}
}

type fdReader int

func (fd fdReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := unix.Pread(int(fd), b, at)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// TestCompactionFails lets the new file be impossible to make or to write: the
// old one goes on, and the failure is in the log, but not at every record.
func TestCompactionFails(t *testing.T) {
	dir := tmpfs(t, 128<<10)
	r := newStateRig(t, DefaultOpen, filepath.Join(dir, "state"))
	d := sshDoor("true", "true")
	cycles := func() {
		for i := range 100 {
			r.l.stopped(r.begun(d, source(100+i)))
			r.synced()
		}
	}
	for i := range 50 {
		r.begun(d, source(i))
	}
	if err := os.Mkdir(r.settings.StateFile+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	r.l.journal.compact = 0
	cycles()
	if n := r.count("cannot write the state file anew: open: is a directory"); n < 1 || n > 3 {
		t.Errorf("%d lines on the directory in the way; log %q", n, r.lines)
	}
	r.check("with a directory in the way")
	if err := os.Remove(r.settings.StateFile + ".new"); err != nil {
		t.Fatal(err)
	}
	free := fill(t, dir)
	failures := r.l.journal.failures
	r.l.journal.compact = 0
	for i := range 10 {
		r.l.stopped(int32(i))
		r.synced()
	}
	if n := r.count("write the state file " + r.settings.StateFile + " anew: no space left on device"); n != 1 || r.l.journal.failures != failures+1 {
		t.Errorf("%d lines on the full disk, %d failures; log %q", n, r.l.journal.failures-failures, r.lines)
	}
	r.check("with a full disk")
	if _, err := os.Stat(r.settings.StateFile + ".new"); err == nil {
		t.Error("the half of a file is left")
	}
	free()
	r.l.journal.compact = 0
	cycles()
	r.check("with room again")
}

// TestNewFileFull has room in the old file alone: what cannot be in both is not
// opened, and then in neither.
func TestNewFileFull(t *testing.T) {
	j, _, err := openJournal(statePath(t), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	first, second := openRecord(1, alice, 1e9), openRecord(2, bob, 1e9)
	if err := j.append(&first); err != nil {
		t.Fatal(err)
	}
	full, err := unix.Open("/dev/full", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	j.fresh = file{fd: full, reserved: 1 << 20}
	size := j.size
	if err := j.append(&second); err == nil || j.live != 1 || j.size != size {
		t.Errorf("opened with an error %v, %d leases", err, j.live)
	}
	if err := j.append(&record{op: opRuns, id: 1, pid: 4711}); err != nil {
		t.Error(err)
	}
	unix.Close(full)
	j.fresh.fd = -1
	j.close()
	if told := replayed(t, j.path); told.live != 1 || told.leases[0].pid != 4711 || told.last != 1 {
		t.Errorf("the old file says %+v", told)
	}
}
