package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"sesame/control"
	"sesame/matcher"
)

// exitNoDaemon is the status of a command for a daemon where none runs.
const exitNoDaemon = 3

const (
	// closePatience is how long sesame close waits for the stop commands. One
	// that hangs is ended, and tried again, by the daemon.
	closePatience = 90 * time.Second
	closePause    = 100 * time.Millisecond
)

// sockets finds the daemons that the command line means: all that run unless it
// names a configuration or an interface.
func (o *options) sockets() ([]string, error) {
	return control.Find(runtimeDir(), func(name string) bool {
		_, iface, _ := strings.Cut(name, "@")
		return (o.config == "" || name == fit(escape(o.config)+"@"+iface)) && (o.iface == "" || iface == escape(o.iface))
	})
}

// ask runs f for each daemon that is meant.
func (o *options) ask(single bool, f func(path string) error) int {
	err := o.settle()
	if err != nil {
		return fail(err)
	}
	paths, err := o.sockets()
	if errors.Is(err, control.ErrNone) {
		fail(err)
		return exitNoDaemon
	}
	if single && len(paths) > 1 {
		err = errors.New("several daemons run, say with -c and -i which is meant: " + strings.Join(paths, ", "))
	}
	for i := 0; err == nil && i < len(paths); i++ {
		err = f(paths[i])
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// showStatus is sesame status.
func showStatus(o options) int {
	var all []*control.Status
	status := o.ask(false, func(path string) error {
		s, err := control.Read(path)
		all = append(all, s)
		return err
	})
	if status != 0 {
		return status
	}
	var out []byte
	switch {
	case o.json:
		out = control.AppendJSON(nil, all)
	case o.prometheus:
		out = control.AppendPrometheus(nil, all)
	default:
		for i, s := range all {
			if i > 0 {
				out = append(out, '\n')
			}
			out = s.AppendTable(out, time.Local)
		}
	}
	if _, err := os.Stdout.Write(out); err != nil {
		return fail(err)
	}
	return 0
}

// openDoor is sesame open DOOR ADDRESS.
func openDoor(o options) int {
	door, address := o.words[0], o.words[1]
	request := control.AppendLine(nil, "open", strconv.Quote(door), strconv.Quote(address))
	refused := false
	status := o.ask(true, func(path string) error {
		return control.Ask(path, request, func(words []string) error {
			if len(words) == 2 && words[0] == "outcome" {
				refused = words[1] == "refused"
				say(door + ": " + outcomeText(words[1]))
			}
			return nil
		})
	})
	if status == 0 && refused {
		return 1
	}
	return status
}

func outcomeText(outcome string) string {
	switch outcome {
	case "opened":
		return "opening"
	case "renewed":
		return "is open already, its time begins anew"
	case "queued":
		return "is about to be opened"
	case "nothing":
		return "has no command for this address"
	case "refused":
		return "not opened, the daemon's log says why"
	}
	return outcome
}

// closeDoors is sesame close [DOOR [ADDRESS]]. It returns when the doors are
// shut.
func closeDoors(o options) int {
	request := []byte("close")
	for _, w := range o.words {
		request = append(append(request, ' '), strconv.Quote(w)...)
	}
	request = append(request, '\n')
	closed := 0
	status := o.ask(false, func(path string) error {
		err := control.Ask(path, request, func(words []string) error {
			n, err := strconv.Atoi(words[len(words)-1])
			closed += n
			return err
		})
		if err == nil {
			err = o.awaitShut(path)
		}
		return err
	})
	switch {
	case status != 0:
	case closed == 0:
		say("no such door is open")
	case closed == 1:
		say("1 door shut")
	default:
		say(strconv.Itoa(closed) + " doors shut")
	}
	return status
}

// awaitShut waits until none of the doors that were to be shut is about to be.
func (o *options) awaitShut(path string) error {
	for range closePatience / closePause {
		s, err := control.Read(path)
		if err != nil {
			return err
		}
		waits := false
		for i := range s.Doors {
			d := &s.Doors[i]
			if len(o.words) > 0 && d.Name != o.words[0] || len(o.words) > 1 && !sameAddress(d.Address, o.words[1]) {
				continue
			}
			switch d.State {
			case "retrying", "stuck":
				return errors.New(d.Name + " for " + d.Address + ": the stop command failed, the daemon's log says why")
			case "closing", "opening":
				waits = true
			}
		}
		if !waits {
			return nil
		}
		time.Sleep(closePause)
	}
	return errors.New("the stop commands still run after " + strconv.Itoa(int(closePatience/time.Second)) + " s; see sesame status")
}

// sameAddress reports whether an address is the one that text stands for.
func sameAddress(address, text string) bool {
	a, ok := matcher.ParseAddr(text)
	return ok && a.String() == address
}

// say prints a line for the user.
func say(line string) { os.Stdout.WriteString(line + "\n") }
