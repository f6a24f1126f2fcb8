package exec

import (
	"os"

	"golang.org/x/sys/unix"
)

// task is what takes a disk its time: to write a file's data, and to give a new
// file its name, which is lost with the power unless the directory is written.
type task struct {
	fd   int
	from string // present name, "" if it has the right one
	path string
	name bool // the directory is to be written too

	renamed bool // the results
	err     error
}

// disk does one task at a time in a goroutine of its own. After each, its
// descriptor is readable.
type disk struct {
	fd      int // eventfd
	tasks   chan task
	results chan task
}

func newDisk() (*disk, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	d := &disk{fd: fd, tasks: make(chan task, 1), results: make(chan task, 1)}
	go func() {
		for t := range d.tasks {
			t.err = t.do()
			d.results <- t
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not zero in either byte order
		}
		close(d.results)
	}()
	return d, nil
}

func (t *task) do() error {
	if err := unix.Fdatasync(t.fd); err != nil {
		return os.NewSyscallError("fdatasync", err)
	}
	if t.from != "" {
		if err := unix.Rename(t.from, t.path); err != nil {
			return os.NewSyscallError("rename", err)
		}
		t.renamed = true
	}
	if t.name {
		return syncName(t.path)
	}
	return nil
}

// syncName writes the directory that a file is in.
func syncName(path string) error {
	at := len(path)
	for at > 0 && path[at-1] != '/' {
		at--
	}
	dir, err := unix.Open(path[:at]+".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open the directory", err)
	}
	defer unix.Close(dir)
	if err := unix.Fsync(dir); err != nil && err != unix.EINVAL { // EINVAL: the file system has no need
		return os.NewSyscallError("fsync", err)
	}
	return nil
}

// result returns the task that has ended, if one has.
func (d *disk) result() (task, bool) {
	var count [8]byte
	unix.Read(d.fd, count[:])
	select {
	case t, ok := <-d.results:
		return t, ok
	default:
		return task{}, false
	}
}

// close waits for the task at hand.
func (d *disk) close() {
	close(d.tasks)
	for range d.results {
	}
	unix.Close(d.fd)
}
