package exec

import (
	"strings"

	"sesame/matcher"
)

// Commands are a door's start and stop command for one family of addresses,
// with %IP% for the address still in them. Together with an address they are
// what tells one lease from another: doors of one name are told apart by them,
// also across a change of the configuration.
type Commands struct {
	Name        string // of the door
	Start, Stop string
}

// Expand returns a command with every %IP% replaced by src.
func Expand(text string, src matcher.Addr) string {
	return strings.ReplaceAll(text, "%IP%", src.String())
}
