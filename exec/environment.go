package exec

import "strconv"

// leaseEnv tells a start command which lease it is for, and the next daemon
// whose start command a process is.
const leaseEnv = "SESAME_LEASE="

// environment is what a command finds in its environment besides the daemon's.
func (l *Leases) environment(c *command) []string {
	event, family := "start", "6"
	if c.event == stop {
		event = "stop"
	}
	if c.src.Is4() {
		family = "4"
	}
	env := []string{"SESAME_DOOR=" + c.door, "SESAME_IP=" + c.src.String(), "SESAME_EVENT=" + event, "SESAME_FAMILY=" + family}
	if c.lease >= 0 && c.event == start {
		env = append(env, leaseEnv+l.mark(l.leases[c.lease].id))
	}
	return env
}

// mark names a lease; no two daemons give the same name.
func (l *Leases) mark(id uint64) string { return strconv.FormatUint(id, 10) + "@" + l.StateFile }
