package main

import (
	"os"

	"golang.org/x/sys/unix"

	"sesame/afpacket"
	"sesame/config"
	"sesame/exec"
	"sesame/fault"
	"sesame/matcher"
)

// doors is a configuration made ready: what the matcher needs of it, what exec
// needs, and the rest. Indexes are the same in all three.
type doors struct {
	config  *config.Config
	matcher *matcher.Matcher
	exec    []exec.Door
}

func newDoors(cfg *config.Config) (*doors, error) {
	var random [16]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return nil, fault.New("draw a random key", os.NewSyscallError("getrandom", err))
	}
	key := matcher.Key{}
	for i, b := range random {
		key[i/8] = key[i/8]<<8 | uint64(b)
	}
	d := &doors{config: cfg}
	match := make([]matcher.Door, len(cfg.Doors))
	for i := range cfg.Doors {
		c := &cfg.Doors[i]
		match[i] = matcher.Door{Sequence: c.Sequence, Flags: c.Flags, Timeout: c.SeqTimeout, Cooldown: c.Cooldown}
		if c.Target.IsValid() {
			match[i].Target = c.Target.As16()
		}
		d.exec = append(d.exec, exec.Door{
			Name: c.Name, Start: c.Start, Stop: c.Stop, Start6: c.Start6, Stop6: c.Stop6, Lease: c.CmdTimeout,
		})
	}
	var err error
	if d.matcher, err = matcher.New(match, 0, key); err != nil {
		return nil, fault.New("set up the doors", err)
	}
	return d, nil
}

// interest is what the doors want to hear.
func (d *doors) interest(only4 bool) afpacket.Interest {
	return afpacket.Interest{Ports: d.matcher.Ports(), Flags: d.matcher.Flags(), Only4: only4}
}

// name returns a door's name.
func (d *doors) name(i int) string { return d.config.Doors[i].Name }

// nextSequence uses up the one-time sequence that opened door i and puts the
// next one in force. Where that cannot be written down the door is shut until
// a reload, which finds the used sequence in the file again: the log says so.
func (d *doors) nextSequence(i int, warn func(string)) {
	door := &d.config.Doors[i]
	line, seq, bad, err := config.UseOneTime(door.OneTime.Path, door.Sequence)
	for _, e := range bad {
		warn(e.Error())
	}
	switch {
	case err != nil:
		warn(door.Name + ": no longer opens until a reload: the used sequence is still in the file and opens after it: " + err.Error())
		seq = nil
	case line == 0:
		warn(door.Name + ": no longer opens: " + door.OneTime.Path + " has no sequence left; add some and reload")
	}
	door.OneTime.Line, door.Sequence = line, seq
	if err := d.matcher.SetSequence(i, seq); err != nil {
		warn(door.Name + ": " + err.Error())
	}
}
