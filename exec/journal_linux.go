package exec

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

const (
	// headroom is what is left free in the file for each lease, in bytes, so
	// that the records which end it are written also when the disk is full.
	headroom = 160

	// lastRoom is the part of it for the very last of them.
	lastRoom = 48

	// chunk is by how much a file grows in advance, and how large it may become
	// without a lease in it, in bytes.
	chunk = 16 << 10
)

// journal appends records to the state file. What it has written survives the
// end of the process at once, and a power failure as soon as the disk has it:
// nobody waits for that. At most one task is with the disk at a time, so that
// no descriptor is closed under one.
//
// It locks the file as fcntl(2) says. Such a lock is the process's own: it is
// not inherited by commands, and would be lost with any descriptor of the same
// file that is closed.
type journal struct {
	path string
	log  func(string)
	file
	fresh    file  // that is to replace this one; its descriptor is -1 if there is none
	live     int   // leases in the file
	compact  int64 // size from which it is worth to write the file anew
	dirty    bool  // written since the last task began
	named    bool  // the disk has the file's name
	busy     bool  // a task is with the disk
	buf      []byte
	failures uint64 // of writes
	disk     *disk
}

// openJournal opens and locks the state file, making it and its directories if
// need be, and returns what it tells.
func openJournal(path string, log func(string)) (*journal, *replay, error) {
	j := &journal{path: path, log: log, file: file{fd: -1}, fresh: file{fd: -1}}
	told, err := j.open()
	if err == nil {
		j.disk, err = newDisk()
	}
	if err != nil {
		if j.fd >= 0 {
			unix.Close(j.fd)
		}
		return nil, nil, fault.New("use the state file "+path, err)
	}
	j.live, j.compact = told.live, max(2*j.size, 4*chunk)
	j.file.reserve(int64(j.live * headroom)) // or they are shut without a record
	j.dirty = true                           // at least its name, if it is new
	j.flush()
	return j, told, nil
}

func (j *journal) open() (*replay, error) {
	for i := 1; i < len(j.path); i++ {
		if j.path[i] == '/' {
			unix.Mkdir(j.path[:i], 0o755) // if that fails the file cannot be opened either
		}
	}
	if err := j.lock(); err != nil {
		return nil, err
	}
	told, end, err := j.read()
	if err != nil {
		return nil, err
	}
	unix.Unlink(j.path + ".new") // of a daemon that was killed while it wrote
	if end < j.size {
		j.log("state file " + j.path + ": its end was not written in full, cut at byte " + strconv.FormatInt(end, 10))
	}
	if end == 0 || told.records == 0 && (end < j.size || len(told.damaged) > 0) {
		return told, j.start() // less of it might not be known for ours the next time
	}
	if end < j.size {
		if err := unix.Ftruncate(j.fd, end); err != nil {
			return nil, fault.New("cut its damaged end", err)
		}
		j.size = end
	}
	return told, nil
}

// start makes the file one without leases.
func (j *journal) start() error {
	if err := unix.Ftruncate(j.fd, 0); err != nil {
		return fault.New("empty it", err)
	}
	j.size, j.reserved, j.torn = 0, 0, false
	return j.write([]byte(stateHeader))
}

// lock opens the file for this process alone.
func (j *journal) lock() error {
	for {
		fd, err := openState(j.path, 0)
		if err != nil {
			return err
		}
		j.fd = fd
		// A daemon that wrote the file anew meanwhile has locked a file that no
		// longer has the name.
		var opened, named unix.Stat_t
		if err := unix.Fstat(fd, &opened); err != nil {
			return err
		}
		if err := unix.Stat(j.path, &named); err == nil && opened.Ino == named.Ino && opened.Dev == named.Dev {
			j.size = opened.Size
			return nil
		}
		unix.Close(fd)
		j.fd = -1
	}
}

func openState(path string, flags int) (int, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NONBLOCK|flags, 0o600)
	if err != nil {
		return -1, fault.New("open", err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lock)
	var st unix.Stat_t
	switch {
	case err == unix.EAGAIN || err == unix.EACCES:
		holder := unix.Flock_t{Type: unix.F_WRLCK}
		unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &holder)
		err = errors.New("it is in use by process " + strconv.Itoa(int(holder.Pid)) +
			"; a second daemon needs a StateFile of its own")
	case err != nil:
		err = fault.New("lock", err)
	default:
		if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
			err = errors.New("it is not a regular file")
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// read replays the file. end is where its last complete line ends, 0 when there
// is none.
func (j *journal) read() (told *replay, end int64, err error) {
	told = &replay{}
	var at int64
	data, whose := make([]byte, 0, 64<<10), ours
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := unix.Pread(j.fd, data[len(data):cap(data)], at)
		if err != nil && err != unix.EINTR {
			return nil, 0, fault.New("read", err)
		}
		if n = max(n, 0); n == 0 && err == nil {
			break
		}
		whose = judge(whose, at, data[len(data):len(data)+n])
		at, data = at+int64(n), data[:len(data)+n]
		rest := data
		for i := 0; i < len(rest); i++ {
			if rest[i] == '\n' {
				told.line(rest[:i])
				rest, i = rest[i+1:], -1
				end = at - int64(len(rest))
			}
		}
		data = data[:copy(data, rest)]
		if len(data) > maxRecord {
			data = data[:0] // no record: what comes of it is damaged as well
		}
	}
	if _, whole := parseRecord(string(data)); whole {
		told.line(data)
		end, j.torn = at, true // by its newline alone
	}
	if whose == foreign && told.records == 0 {
		return nil, 0, errors.New("it is something else, and was left as it is; name another StateFile")
	}
	return told, end, nil
}
