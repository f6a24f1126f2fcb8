package main

import (
	"os"
	"slices"

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
	match   []matcher.Door // sequences as they are in force
	before  []matcher.Port // of doors whose sequence was another
	matcher *matcher.Matcher
	exec    []exec.Door
}

// newKey draws a key of a keyed hash.
func newKey() (key matcher.Key, err error) {
	var random [16]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return key, fault.New("draw a random key", os.NewSyscallError("getrandom", err))
	}
	for i, b := range random {
		key[i/8] = key[i/8]<<8 | uint64(b)
	}
	return key, nil
}

func newDoors(cfg *config.Config) (*doors, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	match := make([]matcher.Door, len(cfg.Doors))
	d := &doors{config: cfg, match: match}
	for i := range cfg.Doors {
		c := &cfg.Doors[i]
		match[i] = matcher.Door{
			Sequence: c.Sequence, Flags: c.Flags, Timeout: c.SeqTimeout, Cooldown: c.Cooldown, Target: c.Target, Wide: c.TargetWide,
		}
		d.exec = append(d.exec, exec.Door{
			Name: c.Name, Start: c.Start, Stop: c.Stop, Start6: c.Start6, Stop6: c.Stop6, Lease: c.CmdTimeout,
		})
	}
	if d.matcher, err = matcher.New(match, 0, key); err != nil {
		return nil, fault.New("set up the doors", err)
	}
	return d, nil
}

// interest is what the doors want to hear.
func (d *doors) interest(only4 bool) afpacket.Interest {
	return afpacket.Interest{Ports: d.matcher.Ports(), Flags: d.matcher.Flags(), Decoys: d.matcher.Decoys(), Only4: only4}
}

// name returns a door's name.
func (d *doors) name(i int) string { return d.config.Doors[i].Name }

// inherit goes on with the attempts and cooldowns of doors that are as they
// were before a reload.
func (d *doors) inherit(old *doors) {
	byName := map[string][]int{} // doors of one name go by their order
	for i := range d.config.Doors {
		byName[d.name(i)] = append(byName[d.name(i)], i)
	}
	to := make([]int, len(old.config.Doors))
	for from := range to {
		name := old.name(from)
		at := slices.IndexFunc(byName[name], func(i int) bool { return sameKnock(&d.config.Doors[i], &old.config.Doors[from]) })
		if to[from] = -1; at >= 0 {
			to[from] = byName[name][at]
			byName[name] = slices.Delete(byName[name], at, at+1)
		}
	}
	d.matcher.Inherit(old.matcher, to)
}

// sameKnock reports whether two doors take the same knocks.
func sameKnock(a, b *config.Door) bool {
	return slices.Equal(a.Sequence, b.Sequence) && a.SeqTimeout == b.SeqTimeout && a.Flags == b.Flags &&
		a.Target == b.Target && a.TargetWide == b.TargetWide && a.Cooldown == b.Cooldown
}

// useSequence uses up the one-time sequence of door i and puts the next one in
// force. It is marked in the file before the door may open: power that fails
// then costs an opening, and no sequence is good for two. Where it cannot be
// marked the door is shut until a reload.
func (d *doors) useSequence(i int, warn func(string)) error {
	door := &d.config.Doors[i]
	line, seq, bad, err := config.UseOneTime(door.OneTime.Path, door.Sequence)
	for _, e := range bad {
		warn(e.Error())
	}
	if err == nil && line == 0 {
		warn(door.Name + ": does not open again: " + door.OneTime.Path + " has no sequence left; add some and reload")
	}
	d.before = door.Sequence
	door.OneTime.Line, door.Sequence, d.match[i].Sequence = line, seq, seq
	if err := d.matcher.SetSequence(i, seq); err != nil {
		warn(door.Name + ": " + err.Error())
	}
	return err
}
