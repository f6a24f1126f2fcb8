package main

import (
	"errors"
	"runtime/debug"
	"slices"

	"sesame/config"
)

// reload reads the configuration again. It takes effect as a whole or not at
// all: with any fault the one in force stays. Leases go on as they were, and so
// do attempts at doors that take the same knocks as before.
func (d *daemon) reload() {
	d.log.print("re-reading config file: " + d.config)
	// What reading and compiling left behind, and the old doors, would stay
	// the daemon's until the next collection, which may be days away.
	defer debug.FreeOSMemory()
	if err := d.tryReload(); err != nil {
		var faults config.Errors
		if errors.As(err, &faults) {
			for _, f := range faults {
				d.log.warn(f.Error())
			}
		} else {
			d.log.warn(err.Error())
		}
		d.log.warn("the configuration in force stays: mend the above and reload again")
	}
}

func (d *daemon) tryReload() error {
	cfg, err := readConfig(d.config)
	if err != nil {
		return err
	}
	fresh, err := newDoors(cfg)
	if err != nil {
		return err
	}
	if err := d.required(cfg); err != nil {
		return err
	}
	fresh.before = d.doors.matcher.Ports()
	if err := fresh.drawDecoys(d.guard); err != nil {
		return err
	}
	d.counts.past.add(d.doors.matcher.Stats())
	old := d.doors.config
	fresh.inherit(d.doors)
	d.doors = fresh
	d.guard.Lockout = cfg.Lockout
	if names := d.interfaces(cfg); !slices.Equal(names, d.links.names) {
		d.links.names, d.links.anew = names, true
	}
	d.refilter()
	d.syncLinks()
	d.leases.SetLimits(d.loop.instant, limits(cfg))
	if err := d.openLog(cfg); err != nil {
		d.log.warn(err.Error())
	}
	d.warnings(cfg)
	if cfg.MaxOpen != old.MaxOpen || cfg.StateFile != old.StateFile || cfg.ForgetAfterReboot != old.ForgetAfterReboot {
		d.log.warn("max_open, StateFile and after_reboot take effect at the next start")
	}
	return nil
}
