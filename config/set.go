package config

import (
	"strconv"
	"strings"
)

const noValue = `there is no value after "="; give one, or remove the line`

// set stores a value where its key belongs, or reports why it cannot.
func (p *parser) set(k key, name, value string) {
	first := p.seen[k] == 0
	p.again(k, name)
	var reason string
	if k.global() {
		reason = p.cfg.set(k, value, first)
	} else {
		reason = p.setDoor(k, name, value)
	}
	if reason != "" {
		p.fault(name, reason)
	}
}

func (c *Config) set(k key, value string, first bool) (reason string) {
	if value == "" && k != keyUseSyslog {
		return noValue
	}
	switch k {
	case keyUseSyslog:
		c.UseSyslog, reason = parseBool(value)
	case keyOnlyIPv4:
		c.OnlyIPv4, reason = parseBool(value)
	case keyInterface:
		var list []string
		if list, reason = ParseInterfaces(value); first { // knockd keeps it: to it, the second one comes after an -i
			c.Interface = strings.Join(list, ",")
		}
	case keyLogFile:
		c.LogFile = value
	case keyPidFile:
		c.PidFile = value
	case keyStateFile:
		c.StateFile = value
	case keyMaxOpen:
		c.MaxOpen, reason = parseCount(value, 1, maxMaxOpen)
	case keyMaxCommands:
		c.MaxCommands, reason = parseCount(value, 1, maxMaxCommands)
	case keyCommandTimeout:
		c.StartTimeout, reason = parseSeconds(value)
		c.StopTimeout = c.StartTimeout
	case keyStopRetries:
		c.StopRetries, reason = parseCount(value, 0, maxStopRetries)
	case keyAfterReboot:
		c.ForgetAfterReboot, reason = parseAfterReboot(value)
	case keyCloseOnExit:
		c.CloseOnExit, reason = parseBool(value)
	case keyScanGuard:
		c.ScanGuard, reason = parseBool(value)
	case keyDecoys:
		c.Decoys, reason = parseCount(value, 0, maxDecoys)
	case keyLockout:
		c.Lockout, reason = parseSeconds(value)
	}
	return reason
}

func (p *parser) setDoor(k key, name, value string) (reason string) {
	d := &p.door
	switch k {
	case keySequence:
		p.setSequence(name, value)
	case keyOneTime:
		return p.setOneTime(name, value)
	case keySeqTimeout:
		d.SeqTimeout, reason = parseSeconds(value)
	case keyCmdTimeout:
		d.CmdTimeout, reason = parseSeconds(value)
	case keyCooldown:
		d.Cooldown, reason = parseSeconds(value)
	case keyTCPFlags:
		var bads []string
		d.Flags, bads = parseFlags(value)
		for _, b := range bads {
			p.fault(name, b)
		}
	case keyTarget:
		d.Target, d.TargetWide, reason = parseNetwork(value)
	case keyStart:
		d.Start = value
	case keyStop:
		d.Stop = value
	case keyStart6:
		d.Start6 = value
	case keyStop6:
		d.Stop6 = value
	}
	return reason
}

func (p *parser) setSequence(name, value string) {
	seq, bads := parseSequence(cutComment(value))
	for _, b := range bads {
		p.fault(name, b)
	}
	if line := p.seen[keyOneTime]; line != 0 {
		p.warn(name, "it replaces the one_time_sequences of line "+strconv.Itoa(line))
	}
	p.door.Sequence, p.door.OneTime = seq, nil
}

func (p *parser) setOneTime(name, path string) (reason string) {
	if line := p.seen[keySequence]; line != 0 {
		p.warn(name, "it replaces the sequence of line "+strconv.Itoa(line))
	}
	p.door.Sequence, p.door.OneTime = nil, nil
	if path == "" {
		return noValue
	}
	data, err := p.readFile(path)
	if err != nil {
		return "cannot read the file of sequences: " + plain(err.Error())
	}
	line, seq, bad := ParseOneTime(data, path)
	if line == 0 {
		return noneLeft(path, bad)
	}
	p.door.Sequence, p.door.OneTime = seq, &OneTime{Path: path, Line: line}
	for _, b := range bad {
		p.warns.add(b)
	}
	return ""
}

func noneLeft(path string, bad []Error) string {
	reason := "no usable line is left in " + quote(path)
	if len(bad) > 0 {
		reason += " (line " + strconv.Itoa(bad[0].Line) + ": " + bad[0].Reason + ")"
	}
	return reason + "; add a line such as \" port,port:udp,port\""
}
