package exec

import (
	"math"

	"golang.org/x/sys/unix"
)

// file is a state file that is written to.
type file struct {
	fd       int
	size     int64
	reserved int64 // of its room; it ends there at least
	torn     bool  // it does not end with a newline
}

// write appends whole lines or nothing.
func (f *file) write(b []byte) error {
	if f.torn {
		b = append([]byte{'\n'}, b...)
	}
	n, err := unix.Write(f.fd, b)
	if n == len(b) {
		f.size, f.torn = f.size+int64(n), false
		return nil
	}
	if n > 0 {
		f.reserved = 0
		if unix.Ftruncate(f.fd, f.size) != nil {
			f.size, f.torn = f.size+int64(n), true
		}
	}
	if err == nil { // write(2) gives no reason when some of it was written
		err = unix.ENOSPC
	}
	return err
}

// reserve makes sure that n bytes more can be written. File systems that cannot
// reserve (JFFS2, UBIFS) show at the write itself whether there is room.
func (f *file) reserve(n int64) error {
	if n == 0 || f.size+n <= f.reserved {
		return nil
	}
	for _, more := range [...]int64{n + chunk, n} {
		err := unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, f.size, more)
		for err == unix.EINTR {
			err = unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, f.size, more)
		}
		switch err {
		case nil:
			f.reserved = f.size + more
			return nil
		case unix.ENOSPC, unix.EDQUOT, unix.EFBIG:
			continue
		}
		f.reserved = math.MaxInt64
		return nil
	}
	return unix.ENOSPC
}
