package exec

import (
	"errors"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

// append writes a record. The one that opens a lease needs room for those that
// follow it, and is refused when there is not.
func (j *journal) append(r *record) error {
	j.buf = appendRecord(j.buf[:0], r)
	err := j.tryAppend(r.op)
	if err == unix.ENOSPC && j.live == 0 && !j.busy && j.start() == nil {
		err = j.tryAppend(r.op)
	}
	if err != nil {
		j.failures++
		return fault.New("write the state file "+j.path, err)
	}
	switch r.op {
	case opOpen:
		j.live++
	case opShut:
		j.live--
		if j.live == 0 && j.size > chunk && !j.busy {
			if err := j.start(); err != nil {
				j.log(fault.New("empty the state file "+j.path, err).Error())
			}
		}
	}
	j.dirty = true
	j.flush()
	return nil
}

func (j *journal) tryAppend(o op) error {
	if len(j.buf) > maxRecord {
		return errors.New("the commands are too long to be recorded")
	}
	switch o {
	case opOpen:
		if err := j.reserve((j.live + 1) * headroom); err != nil {
			return err
		}
	case opEnds: // of which a lease may have any number
		if err := j.reserve(j.live * lastRoom); err != nil {
			return err
		}
	}
	if j.size == 0 { // it could not be written when the file was emptied
		if err := j.write([]byte(stateHeader)); err != nil {
			return err
		}
	}
	before := j.size
	if err := j.write(j.buf); err != nil || j.fresh.fd < 0 {
		return err
	}
	// The new file may have the name before this returns, so it must hold every
	// lease. Of the others a stop command that runs twice is all that can come.
	err := j.fresh.write(j.buf)
	if err == nil || o != opOpen {
		return nil
	}
	if unix.Ftruncate(j.fd, before) == nil {
		j.size, j.reserved = before, 0
	}
	return err
}

// reserve makes sure that there is room for the record at hand and n bytes more.
func (j *journal) reserve(n int) error {
	err := j.file.reserve(int64(len(j.buf) + n))
	if err == nil && j.fresh.fd >= 0 {
		err = j.fresh.reserve(int64(len(j.buf) + n))
	}
	return err
}

// wantsCompaction reports whether most of the file has become history.
func (j *journal) wantsCompaction() bool {
	return j.size >= j.compact && !j.busy && j.fresh.fd < 0
}

// replace begins to write the file anew. records calls its argument with every
// record that is needed. Until the new file has the name, both get what comes.
func (j *journal) replace(records func(write func(*record))) {
	fd, err := openState(j.path+".new", unix.O_TRUNC)
	if err != nil {
		j.log("cannot write the state file anew: " + err.Error())
		j.compact = 2 * j.size
		return
	}
	j.fresh = file{fd: fd}
	b := append(j.buf[:0], stateHeader...)
	flush := func() {
		if err == nil {
			err = j.fresh.write(b)
		}
		b = b[:0]
	}
	j.live = 0
	records(func(r *record) {
		if r.op == opOpen {
			j.live++
		}
		b = appendRecord(b, r)
		if len(b) >= chunk {
			flush()
		}
	})
	flush()
	j.buf = b
	if err == nil {
		err = j.fresh.reserve(int64(j.live * headroom))
	}
	if err != nil {
		j.abandon(err)
		return
	}
	j.busy = true
	j.disk.tasks <- task{fd: fd, from: j.path + ".new", path: j.path, name: true}
}

// abandon gives up a new file that could not be written.
func (j *journal) abandon(err error) {
	j.failures++
	j.log(fault.New("write the state file "+j.path+" anew", err).Error())
	j.compact = 2 * j.size
	unix.Close(j.fresh.fd)
	unix.Unlink(j.path + ".new")
	j.fresh.fd = -1
}

// flush has the disk write what is new, unless it is at work.
func (j *journal) flush() {
	if j.dirty && !j.busy {
		j.dirty, j.busy = false, true
		j.disk.tasks <- task{fd: j.fd, path: j.path, name: !j.named}
	}
}

// done takes the result of the disk's task.
func (j *journal) done() {
	r, ok := j.disk.result()
	if !ok {
		return
	}
	j.busy = false
	if j.named = j.named || r.err == nil; r.err != nil && (r.from == "" || r.renamed) {
		j.failures++
		j.log(fault.New("write the state file "+j.path+" to the disk", r.err).Error() +
			": a power failure may leave doors open")
	}
	switch {
	case r.renamed:
		unix.Close(j.fd)
		j.file, j.fresh = j.fresh, file{fd: -1}
		j.compact = max(2*j.size, 4*chunk)
	case r.from != "":
		j.abandon(r.err)
	}
	j.flush()
}

// close ends the use of the file after what is in it has reached the disk.
func (j *journal) close() {
	j.disk.close()
	for _, fd := range [...]int{j.fd, j.fresh.fd} {
		if fd < 0 {
			continue
		}
		if err := unix.Fdatasync(fd); err != nil {
			j.log(fault.New("write the state file "+j.path+" to the disk", err).Error())
		}
		unix.Close(fd)
	}
}
