package config

import (
	"strconv"
	"strings"
)

// blanks are the characters of isspace(3) in the C locale, less the newline:
// what knockd trims.
const blanks = " \t\r\v\f"

func trim(s string) string { return strings.Trim(s, blanks) }

// section is where in the file a line stands.
type section int

const (
	outside section = iota // before the first header
	options
	inDoor
)

type parser struct {
	cfg         *Config
	readFile    func(string) ([]byte, error)
	errs, warns report

	line    int
	section section
	door    Door         // being read when section is inDoor; else it takes what stands outside
	seen    [numKeys]int // line on which each key was set last, 0: not yet; a door forgets the one before it
	orphan  bool         // a setting outside every section was reported
	full    bool         // one door too many: the rest is not read
}

func (p *parser) parse(text string) {
	for text != "" && !p.full && !p.errs.more {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		p.line++
		p.statement(trim(line))
	}
	p.endDoor()
	p.line = max(p.line, 1)
	if len(p.cfg.Doors) == 0 && !p.orphan {
		p.fault("", "the file has no door; add a section such as [ssh] with a sequence")
	}
}

func (p *parser) statement(line string) {
	switch {
	case line == "":
	case strings.IndexByte(line, 0) >= 0:
		p.nul(line)
	case line[0] == '#':
	case line[0] == '[':
		p.header(line)
	default:
		p.setting(line)
	}
}

func (p *parser) fault(key, reason string) {
	p.errs.add(Error{p.cfg.name, p.line, key, reason})
}

func (p *parser) warn(key, reason string) {
	p.warns.add(Error{p.cfg.name, p.line, key, reason})
}

// nul refuses a line with a NUL byte, at which knockd would silently have cut
// it. What the line was meant to be is remembered, so that the lines after it
// are not blamed.
func (p *parser) nul(line string) {
	rest := strings.ReplaceAll(line, "\x00", "")
	text, _, _ := strings.Cut(rest, "=")
	k, name, ok := lookup(trim(text))
	if ok {
		p.seen[k] = p.line
	} else {
		name = ""
	}
	p.fault(name, "the line holds a NUL byte: "+quote(line)+"; write it again as plain text")
	if strings.HasPrefix(rest, "[") {
		p.header(rest)
	}
}

// header starts a section. A damaged header starts one too: the settings
// under it are then checked for what they are.
func (p *parser) header(line string) {
	p.endDoor()
	name, closed := strings.CutSuffix(line[1:], "]")
	if !closed {
		reason := quote(line) + ` does not end with "]"`
		if i := strings.IndexByte(name, ']'); i >= 0 {
			name, reason = name[:i], reason+"; nothing may follow a section header"
		}
		p.fault("", reason)
	} else if name == "" {
		p.fault("", "the section has no name; write [name]")
	}
	if name == "options" {
		p.section = options
		return
	}
	if len(p.cfg.Doors) == maxDoors {
		p.fault("", "more than "+strconv.Itoa(maxDoors)+" doors; nothing from here on was read")
		p.full, p.section = true, outside
		return
	}
	p.section = inDoor
	p.door = Door{Name: name, Line: p.line, SeqTimeout: defaultSeqTimeout, CmdTimeout: defaultCmdTimeout}
	clear(p.seen[keySequence:])
}

// endDoor checks what can be judged only when all of a door is known.
func (p *parser) endDoor() {
	if p.section != inDoor {
		return
	}
	d := &p.door
	at := func(line int, key, reason string) {
		p.errs.add(Error{p.cfg.name, line, key, reason})
	}
	if p.seen[keySequence] == 0 && p.seen[keyOneTime] == 0 {
		reason := "door " + quote(d.Name) + " has none; add a sequence or one_time_sequences"
		if strings.EqualFold(trim(d.Name), "options") {
			reason += ", or write [options] if the global section is meant"
		}
		at(d.Line, "sequence", reason)
	}
	if line := p.seen[keySeqTimeout]; line != 0 && d.SeqTimeout == 0 {
		switch {
		case d.OneTime != nil:
			at(line, "seq_timeout", "0 leaves no time for a second knock, which a one-time sequence may have; give 1 or more seconds")
		case len(d.Sequence) > 1:
			at(line, "seq_timeout", "0 leaves no time for the second knock; give 1 or more seconds")
		}
	}
	if p.seen[keyStart6] == 0 {
		d.Start6 = d.Start
	}
	if p.seen[keyStop6] == 0 {
		d.Stop6 = d.Stop
	}
	p.cfg.Doors = append(p.cfg.Doors, *d)
}

// setting reads a line that is neither blank, comment nor header.
func (p *parser) setting(line string) {
	text, value, found := strings.Cut(line, "=")
	text, value = trim(text), trim(value)
	if !found {
		p.noEquals(line)
		return
	}
	if text == "" {
		p.fault("", `there is no key before "="`)
		return
	}
	k, name, ok := lookup(text)
	if !ok {
		p.fault(shownKey(text), "unknown key"+suggest(text))
		return
	}
	if !p.belongs(k, name) {
		p.seen[k] = p.line
		return
	}
	p.set(k, name, value)
}

// noEquals reads a line without "=". Only UseSyslog is a line of its own, and
// in knockd it may stand in a door's section as well.
func (p *parser) noEquals(line string) {
	if k, name, ok := lookup(line); ok && k == keyUseSyslog {
		if p.section == inDoor {
			p.warn(name, "it holds for every door; move it to [options]")
		} else {
			p.belongs(k, name)
		}
		p.again(k, name)
		p.cfg.UseSyslog = true
		return
	}
	word := line
	if i := strings.IndexAny(line, blanks); i >= 0 {
		word = line[:i]
	}
	if k, name, ok := lookup(word); ok {
		if p.belongs(k, name) {
			p.fault(name, `there is no "=" after the key`)
		}
		p.seen[k] = p.line
		return
	}
	p.fault(shownKey(word), `unknown key, and no "=" after it (a command must stand on one line)`+suggest(word))
}

// shownKey is an unknown key as an error names it.
func shownKey(text string) string {
	if len(text) > maxQuoted {
		return quote(text)
	}
	return plain(text)
}

// belongs reports whether the key may stand in this section, and says where
// it belongs if not.
func (p *parser) belongs(k key, name string) bool {
	switch {
	case p.section == outside:
		// One missing header explains every line up to the next one.
		if !p.orphan {
			p.orphan = true
			p.fault(name, "it stands before the first section; put it under [options] or under a door's [name]")
		}
	case p.section == options && !k.global():
		p.fault(name, "it belongs in a door's section, not in [options]")
		return false
	case p.section == inDoor && k.global():
		p.fault(name, "it belongs in the [options] section, not in door "+quote(p.door.Name))
		return false
	}
	return true
}

// again notes that a key is set here, and warns if it was before.
func (p *parser) again(k key, name string) {
	if before := p.seen[k]; before != 0 {
		reason := "also set on line " + strconv.Itoa(before) + "; this line counts"
		switch k {
		case keyInterface:
			reason = "already set on line " + strconv.Itoa(before) + ", which counts; this line is ignored"
		case keyTCPFlags:
			reason += " alone (knockd would add the flags of both)"
		}
		p.warn(name, reason)
		if k == keyInterface {
			return
		}
	}
	p.seen[k] = p.line
}
