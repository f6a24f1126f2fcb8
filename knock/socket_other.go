//go:build !linux && !darwin && !windows

package main

import (
	"errors"
	"runtime"
)

func bindInterface(uintptr, bool, string) error {
	return errors.New(runtime.GOOS + " cannot tie a socket to an interface; give --source with an address of that interface")
}
