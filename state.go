package main

import (
	"errors"
	"hash/crc32"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/control"
	"sesame/exec"
)

// Where state and sockets are. systemd says so itself for a unit with
// StateDirectory or RuntimeDirectory (systemd.exec(5)).
func stateDir() string   { return firstOf(os.Getenv("STATE_DIRECTORY"), "/var/lib/sesame") }
func runtimeDir() string { return firstOf(os.Getenv("RUNTIME_DIRECTORY"), "/run/sesame") }

// firstOf returns the first of a list of directories.
func firstOf(list, otherwise string) string {
	if dir, _, _ := strings.Cut(list, ":"); dir != "" {
		return dir
	}
	return otherwise
}

// maxName is how long the name of a daemon's files may be: a socket's path has
// at most 107 bytes (unix(7)).
const maxName = 64

// instance names the files of a daemon. Daemons that differ in configuration or
// interface have different names.
func instance(config, iface string) string {
	return fit(escape(config) + "@" + escape(iface))
}

// fit makes a name that is too long another, with the same end.
func fit(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(name))), 16)
	return sum + "+" + name[len(name)-maxName+1+len(sum):]
}

// escape makes a path into one name; no two become the same.
func escape(path string) string {
	path = strings.TrimPrefix(path, "/")
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		switch c := path[i]; c {
		case '/':
			b = append(b, '+')
		case '+', '@', '%':
			b = append(b, '%')
			b = strconv.AppendUint(b, uint64(c), 16)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// limits returns what a configuration says of commands.
func limits(cfg *config.Config) exec.Limits {
	return exec.Limits{
		AtOnce: cfg.MaxCommands, StartTimeout: cfg.StartTimeout,
		StopTimeout: cfg.StopTimeout, StopRetries: cfg.StopRetries,
	}
}

// openLeases begins with the leases of the daemon before. Where the usual
// directory cannot be written to the daemon is of use all the same, so it does
// with less and says so.
func (d *daemon) openLeases(cfg *config.Config) error {
	s := exec.Settings{
		Limits: limits(cfg), MaxOpen: cfg.MaxOpen, StateFile: d.absolute(cfg.StateFile),
		Boot: bootID(), Forget: cfg.ForgetAfterReboot, Log: d.log.print,
	}
	name := instance(d.config, d.interfaceName(cfg))
	var err error
	if s.StateFile != "" {
		d.leases, err = exec.NewLeases(s, d.loop.instant)
		return err
	}
	s.StateFile = stateDir() + "/" + name
	if d.leases, err = exec.NewLeases(s, d.loop.instant); err == nil || !unwritable(err) {
		return err
	}
	first := err
	s.StateFile = runtimeDir() + "/" + name + ".state"
	if d.leases, err = exec.NewLeases(s, d.loop.instant); err == nil {
		d.log.warn(first.Error() + "; " + s.StateFile + " is used, which a reboot may not leave")
		return nil
	} else if !unwritable(err) {
		return err
	}
	d.log.warn(first.Error() + "; leases are kept in memory: doors stay open if the daemon is killed; set StateFile to a place that can be written to")
	s.StateFile = ""
	d.leases, err = exec.NewLeases(s, d.loop.instant)
	return err
}

// unwritable reports whether a file cannot be made for reasons of its place,
// and not because another daemon has it.
func unwritable(err error) bool {
	for _, errno := range [...]unix.Errno{unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ENOSPC} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// bootID identifies this boot of the machine: the first block of proc(5),
// sys/kernel/random/boot_id.
func bootID() string {
	id, err := config.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(id) < 8 {
		return exec.UnknownBoot
	}
	return string(id[:8])
}

// openControl makes the socket for the user's requests. Doors open without.
func (d *daemon) openControl(cfg *config.Config) {
	path := runtimeDir() + "/" + instance(d.config, d.interfaceName(cfg)) + control.Suffix
	server, err := control.Listen(path, d.onRequest)
	if err != nil {
		d.log.warn(err.Error() + "; sesame status, open and close do not reach this daemon")
		return
	}
	d.control = server
}
