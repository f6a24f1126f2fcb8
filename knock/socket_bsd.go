//go:build unix && !linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// settle makes a connection that is answered meanwhile end without a goodbye.
// An attempt ends when the socket is closed, before its SYN would be sent again.
func (s *socket) settle() error {
	err := unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err != nil {
		return fmt.Errorf("set a socket up: %w", err)
	}
	return nil
}

// left is not known: these systems have no count of what is still in a queue.
func (s *socket) left() (left, known bool) { return false, false }
