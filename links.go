package main

import (
	"slices"
	"time"

	"sesame/afpacket"
	"sesame/config"
	"sesame/matcher"
)

// An interface that could not be listened on is tried again at its next change,
// and after pauses that grow from one of these to the other.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// downPause is for how long an interface is down before the log says so. One
// that is being set up or removed is down for a moment.
const downPause = time.Second

// links are the interfaces that the daemon listens on, and those that it waits
// for.
type links struct {
	network *afpacket.Network
	batch   *afpacket.Batch
	filter  *afpacket.Compiled // what the doors want to hear
	names   []string           // names and patterns; nil: none are given
	anew    bool               // names are others than before
	ears    []*ear
	waiting []string // what has no interface yet, as the log says
	retries []retry
	lost    retry // of the network: at is 0 while it can be followed
	echoes  echoes
	next    matcher.Time // of a retry
	held    []string     // log lines of the start
	started bool
}

// ear is a socket and what it listens on.
type ear struct {
	*afpacket.Socket
	link   afpacket.Link
	quiet  matcher.Time // when to say that the link is down; 0: it is up, or that was said
	warned bool         // it was said
}

// setUp notes whether the link is up.
func (e *ear) setUp(up bool, now matcher.Time) {
	if e.quiet = 0; !up {
		e.quiet = now.Add(downPause)
	}
}

// retry is what could not be listened on, and when to try again.
type retry struct {
	link  afpacket.Link
	pause time.Duration
	at    matcher.Time
}

// again sets the time of the next try.
func (r *retry) again(now matcher.Time) {
	r.pause = min(max(2*r.pause, firstPause), longestPause)
	r.at = now.Add(r.pause)
}

// What a change is.
type changeKind uint8

const (
	attach   changeKind = iota
	gone                // the interface is
	unwanted            // another name, or the configuration says another one
	altered             // another name that is meant as well, or down or up
)

// change is one thing to do about a link: at is its place among those that are
// listened on, unless it is to be attached.
type change struct {
	kind changeKind
	at   int
	link afpacket.Link
}

// planLinks compares what is wanted with what is there: every link whose name
// one of names means is to be listened on. attached are those that are, as they
// were when they were looked at last; one that is there no more under any name
// has another index than all of links. What is wrong with attached comes first,
// the last of them first, so that places stay good when it is done in order.
// waiting are the names that mean no link.
func planLinks(names []string, links, attached []afpacket.Link) (changes []change, waiting []string) {
	there := links
	if slices.Contains(names, config.AnyInterface) {
		names, links = []string{config.AnyInterface}, []afpacket.Link{afpacket.Any}
	}
	for at := len(attached) - 1; at >= 0; at-- {
		was := attached[at]
		i := find(links, was.Index)
		c := change{at: at, link: was}
		switch {
		case find(there, was.Index) < 0 && was.Index != afpacket.Any.Index:
			c.kind = gone
		case i < 0 || !means(names, links[i].Name):
			c.kind = unwanted
		case links[i] != was:
			c.kind, c.link = altered, links[i]
		default:
			continue
		}
		changes = append(changes, c)
	}
	for _, l := range links {
		if means(names, l.Name) && find(attached, l.Index) < 0 {
			changes = append(changes, change{kind: attach, link: l})
		}
	}
next:
	for i, name := range names {
		for _, l := range links {
			if means(names[i:i+1], l.Name) {
				continue next
			}
		}
		waiting = append(waiting, name)
	}
	return changes, waiting
}

// find returns the place of the link with this index, -1 if there is none.
func find(links []afpacket.Link, index int) int {
	for i := range links {
		if links[i].Index == index {
			return i
		}
	}
	return -1
}

// means reports whether one of names means the link called name.
func means(names []string, name string) bool {
	for _, pattern := range names {
		if config.MatchInterface(pattern, name) {
			return true
		}
	}
	return false
}

// defaultNames is what is listened on where no name is given: knockd's default,
// else the interface that route says. What is listened on already stays.
func defaultNames(links, attached []afpacket.Link, route func() string) []string {
	for _, l := range links {
		if find(attached, l.Index) >= 0 {
			return []string{l.Name}
		}
	}
	for _, l := range links {
		if l.Name == config.DefaultInterface {
			return []string{l.Name}
		}
	}
	if name := route(); name != "" {
		return []string{name}
	}
	return nil
}
