// Package folder lists folders. os.ReadDir would do the same for more than a
// router's flash should pay.
package folder

import "golang.org/x/sys/unix"

// List returns the names in a folder, in no particular order, without "." and
// "..". The error is a plain errno.
func List(path string) (names []string, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var b [4096]byte
	for {
		n, err := unix.ReadDirent(fd, b[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(b[:n], -1, names)
	}
}
