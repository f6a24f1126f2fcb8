package main

import (
	"hash/crc32"
	"time"

	"sesame/matcher"
)

const (
	// echoTime is how long one packet can take through interfaces that stand on
	// each other. The kernel takes it through in one go; it is the daemon that
	// may come late to one of its sockets.
	echoTime = 100 * time.Millisecond

	// keptEchoes is how many packets of others may come in between.
	keptEchoes = 16
)

// echoes knows the latest packets. One that comes in on a VLAN or a bridge is
// heard on the interface below it as well, and is one knock all the same.
type echoes struct {
	kept [keptEchoes]echo
	at   int // of the oldest
}

type echo struct {
	sum  uint32 // of all captured bytes: addresses, ports, identification, sequence number
	link int32
	when matcher.Time
}

// heard reports whether a packet was heard on another interface a moment ago.
// The same one again on one interface is sent twice.
func (s *echoes) heard(now matcher.Time, link int, b []byte) bool {
	sum := crc32.ChecksumIEEE(b)
	for i := range s.kept {
		k := &s.kept[i]
		if k.sum == sum && k.link != int32(link) && k.link != 0 && now < k.when.Add(echoTime) {
			return true
		}
	}
	s.kept[s.at] = echo{sum, int32(link), now}
	s.at = (s.at + 1) % keptEchoes
	return false
}
