package vm

import "strings"

// Result is what the guest says of one of its tests.
type Result struct {
	Ran    bool // to its end
	Faults []string
	Log    []string // everything on the console meanwhile
}

// Console collects results from the lines of a guest's console, which tells
// them apart from the kernel's by a first word:
//
//	vm: run vlan
//	vm: fault no OPEN SESAME
//	vm: end vlan
//	vm: done
//
// The zero Console is ready.
type Console struct {
	Results map[string]*Result
	Other   []string // lines that are of no test
	Done    bool     // the guest has come to its end

	current *Result
}

// Line takes the next line.
func (c *Console) Line(line string) {
	words, ours := strings.CutPrefix(line, "vm: ")
	verb, rest, _ := strings.Cut(words, " ")
	switch {
	case ours && verb == "run":
		if c.Results == nil {
			c.Results = map[string]*Result{}
		}
		c.current = &Result{}
		c.Results[rest] = c.current
	case ours && verb == "fault" && c.current != nil:
		c.current.Faults = append(c.current.Faults, rest)
	case ours && verb == "end" && c.current != nil && c.current == c.Results[rest]:
		c.current.Ran = true
		c.current = nil
	case ours && verb == "done":
		c.Done = true
	case c.current != nil:
		c.current.Log = append(c.current.Log, line)
	default:
		c.Other = append(c.Other, line)
	}
}
