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

	// echoSets and echoWays make 2,048 places, for more packets than come in a
	// flood from one socket to the other.
	echoSets = 512
	echoWays = 4
)

// echoes knows the latest packets. One that comes in on a VLAN or a bridge is
// heard on the interface below it as well, and is one knock all the same.
type echoes [echoSets][echoWays]echo

type echo struct {
	sum  uint32 // of all captured bytes: addresses, ports, identification, sequence number
	link int32
	when matcher.Time
}

// heard reports whether a packet was heard on another interface a moment ago.
// The same one again on one interface is sent twice.
func (s *echoes) heard(now matcher.Time, link int, b []byte) bool {
	sum := crc32.ChecksumIEEE(b)
	set := &s[sum%echoSets]
	oldest := &set[0]
	for i := range set {
		k := &set[i]
		if k.sum == sum && k.link != int32(link) && k.link != 0 && now < k.when.Add(echoTime) {
			return true
		}
		if k.when < oldest.when {
			oldest = k
		}
	}
	*oldest = echo{sum, int32(link), now}
	return false
}
