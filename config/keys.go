package config

import "strings"

// key identifies a setting; aliases share one.
type key int

const (
	keyInterface key = iota
	keyLogFile
	keyPidFile
	keyUseSyslog
	keyOnlyIPv4
	keyStateFile
	keyMaxOpen
	keyMaxCommands
	keyCommandTimeout
	keyStopRetries
	keyAfterReboot
	keyCloseOnExit
	keyScanGuard
	keyDecoys
	keyLockout
	keySequence // the first key of a door; those before it belong to [options]
	keyOneTime
	keySeqTimeout
	keyCmdTimeout
	keyCooldown
	keyTCPFlags
	keyTarget
	keyStart
	keyStop
	keyStart6
	keyStop6
	numKeys
)

func (k key) global() bool { return k < keySequence }

// keyNames holds every spelling, the one to suggest first where two are
// equally near.
var keyNames = [...]struct {
	name string
	key  key
}{
	{"sequence", keySequence},
	{"one_time_sequences", keyOneTime},
	{"seq_timeout", keySeqTimeout},
	{"timeout", keySeqTimeout},
	{"cmd_timeout", keyCmdTimeout},
	{"tcpflags", keyTCPFlags},
	{"target", keyTarget},
	{"start_command", keyStart},
	{"command", keyStart},
	{"stop_command", keyStop},
	{"start_command_6", keyStart6},
	{"command_6", keyStart6},
	{"stop_command_6", keyStop6},
	{"seq_cooldown", keyCooldown},
	{"cooldown", keyCooldown},
	{"interface", keyInterface},
	{"logfile", keyLogFile},
	{"pidfile", keyPidFile},
	{"usesyslog", keyUseSyslog},
	{"only_ipv4", keyOnlyIPv4},
	{"statefile", keyStateFile},
	{"max_open", keyMaxOpen},
	{"max_commands", keyMaxCommands},
	{"command_timeout", keyCommandTimeout},
	{"stop_retries", keyStopRetries},
	{"after_reboot", keyAfterReboot},
	{"close_on_exit", keyCloseOnExit},
	{"scan_guard", keyScanGuard},
	{"decoys", keyDecoys},
	{"lockout", keyLockout},
}

// lookup finds a key in any case. name is its lower-case spelling.
func lookup(text string) (k key, name string, ok bool) {
	lower := strings.ToLower(text)
	for i := range keyNames {
		if keyNames[i].name == lower {
			return keyNames[i].key, lower, true
		}
	}
	return 0, lower, false
}

// suggest returns `; did you mean "x"?` for the known key nearest to text, or
// "" when none is near: two slips at most, and no more than a third of it.
func suggest(text string) string {
	if len(text) > 32 {
		return ""
	}
	text = strings.ToLower(text)
	best, name := min(2, len(text)/3)+1, ""
	for i := range keyNames {
		if d := distance(text, keyNames[i].name); d < best {
			best, name = d, keyNames[i].name
		}
	}
	if name == "" {
		return ""
	}
	return "; did you mean " + quote(name) + "?"
}

// distance is the number of single-byte insertions, deletions, replacements
// and swaps of neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
