package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo terminal and returns both of its ends.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// TestProgressOnATerminal looks for a line that is written over and gone at the end.
func TestProgressOnATerminal(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"-d 0 127.0.0.1 1 2", "\rknocking on 127.0.0.1: 1 of 2\rknocking on 127.0.0.1: 2 of 2\r" + strings.Repeat(" ", 29) + "\r"},
		{"-q -d 0 127.0.0.1 1 2", ""},
		{"-v -d 0 127.0.0.1 1 2", ""},
	} {
		master, slave := openTerminal(t)
		cmd := command(t, words(test.args)...)
		cmd.Stderr = slave
		err := cmd.Run()
		fmt.Fprint(slave, "end") // the terminal keeps what was written until it is read
		got := ""
		for b := make([]byte, 1024); !strings.HasSuffix(got, "end"); {
			n, err := master.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got += string(b[:n])
		}
		slave.Close()
		if err != nil || got != test.want+"end" {
			t.Errorf("%s: %v, printed %q, want %q", test.args, err, got, test.want)
		}
	}
}
