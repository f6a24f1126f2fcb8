package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// hit is one knock: a port, 1 to 65535, and the protocol.
type hit struct {
	port uint16
	udp  bool
}

func (h hit) proto() string {
	if h.udp {
		return "udp"
	}
	return "tcp"
}

// family says over which versions of IP to knock.
type family int

const (
	anyFamily family = iota // the first address that has a route
	only4
	only6
	both // one address of each
)

// key names something that can be set, in a profile or on the command line.
type key int

const (
	keyHost key = iota
	keySequence
	keyDelay
	keyWait
	keyTimeout
	keySource
	keyInterface
	keyFamily
	numKeys
)

// keyNames are the keys of a profile.
var keyNames = [numKeys]string{"host", "sequence", "delay", "wait", "timeout", "source", "interface", "family"}

// Defaults and bounds. With defaultDelay no knock overtakes another on a path
// whose delay varies by up to 15 ms; docs/knock.md has the measurement.
const (
	defaultDelay   = 15 * time.Millisecond
	defaultTimeout = 30 * time.Second
	maxDelay       = 1<<31 - 1 // milliseconds: what fits in the int of knockd's client
	maxTimeout     = 24 * 60 * 60
)

// settings are what a profile or a command line says. The zero value says
// nothing.
type settings struct {
	host     string
	sequence []hit
	delay    time.Duration
	wait     uint16 // port to wait for; 0: none
	timeout  time.Duration
	source   netip.Addr // the zero Addr: the system's choice
	iface    string
	family   family
	// places says where each key was set, as the beginning of an error; empty:
	// it was not.
	places [numKeys]string
}

func (s *settings) given(k key) bool { return s.places[k] != "" }

// set reads one value. The error says why it cannot be used, not where it is.
func (s *settings) set(k key, place, value string) (err error) {
	if value == "" {
		return fmt.Errorf("has no value; give %s", wanted[k])
	}
	switch k {
	case keyHost:
		s.host, err = value, checkHost(value)
	case keySequence:
		s.sequence, err = parseSequence(value)
	case keyDelay:
		s.delay, err = parseNumber(value, time.Millisecond, 0, maxDelay, wanted[k])
	case keyWait:
		s.wait, err = parsePort(value)
	case keyTimeout:
		s.timeout, err = parseNumber(value, time.Second, 1, maxTimeout, wanted[k])
	case keySource:
		if s.source, err = netip.ParseAddr(value); err != nil {
			err = fmt.Errorf("%q is not an address; give %s", value, wanted[k])
		}
		s.source = s.source.Unmap()
	case keyInterface:
		s.iface = value
	case keyFamily:
		s.family, err = parseFamily(value)
	}
	s.places[k] = place
	return err
}

var wanted = [numKeys]string{
	keyHost:      "a name or an address",
	keySequence:  "ports such as 7000,8000:udp",
	keyDelay:     "whole milliseconds from 0 to 2147483647",
	keyWait:      "a port from 1 to 65535",
	keyTimeout:   "whole seconds from 1 to 86400",
	keySource:    "an IPv4 or IPv6 address of this machine",
	keyInterface: "the name of an interface",
	keyFamily:    "4, 6 or both",
}

// over returns s with everything that t sets set to that.
func (s settings) over(t settings) settings {
	for k := range numKeys {
		if !t.given(k) {
			continue
		}
		s.places[k] = t.places[k]
		switch k {
		case keyHost:
			s.host = t.host
		case keySequence:
			s.sequence = t.sequence
		case keyDelay:
			s.delay = t.delay
		case keyWait:
			s.wait = t.wait
		case keyTimeout:
			s.timeout = t.timeout
		case keySource:
			s.source = t.source
		case keyInterface:
			s.iface = t.iface
		case keyFamily:
			s.family = t.family
		}
	}
	return s
}

// complete fills in the defaults and checks what only the whole can tell.
func (s settings) complete() (settings, error) {
	if !s.given(keyDelay) {
		s.delay = defaultDelay
	}
	if !s.given(keyTimeout) {
		s.timeout = defaultTimeout
	}
	// In a profile it may stand for a --wait to come.
	if s.places[keyTimeout] == "--timeout" && !s.given(keyWait) {
		return s, errors.New("--timeout: only counts with --wait PORT; add that or leave this out")
	}
	if !s.source.IsValid() {
		return s, nil
	}
	switch {
	case s.family == both:
		return s, fmt.Errorf("%s: one address cannot send both IPv4 and IPv6; leave out this or %s", s.places[keySource], s.places[keyFamily])
	case s.family == only4 && s.source.Is6(), s.family == only6 && s.source.Is4():
		return s, fmt.Errorf("%s: %s is of the other family than %s asks for", s.places[keySource], s.source, s.places[keyFamily])
	case s.source.Is4():
		s.family = only4
	default:
		s.family = only6
	}
	return s, nil
}

// checkHost refuses what cannot be a name, before anybody is asked for it.
func checkHost(host string) error {
	for _, c := range host {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("%q is neither an address nor a name: %q cannot stand in one", host, c)
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if len(host) > 254 { // 253 (RFC 1035, section 2.3.4, as text) and a final dot
		return errors.New("the name has more than 253 characters")
	}
	if i := strings.IndexAny(host, `/:,;"'()[]<>@\%`); i >= 0 {
		return fmt.Errorf("%q is neither an address nor a name: %q cannot stand in one", host, host[i])
	}
	return nil
}

// parseSequence reads "7000, 8000:udp", as a knockd.conf has it.
func parseSequence(text string) (list []hit, err error) {
	for item := range strings.SplitSeq(text, ",") {
		h, err := parseHit(item)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

// parseHit reads PORT[:tcp|udp], in any case, with blanks around each part.
func parseHit(text string) (h hit, err error) {
	port, proto, has := strings.Cut(text, ":")
	if h.port, err = parsePort(trim(port)); err != nil || !has {
		return h, err
	}
	switch proto = trim(proto); {
	case strings.EqualFold(proto, "udp"):
		h.udp = true
	case !strings.EqualFold(proto, "tcp"):
		return h, fmt.Errorf("%q is not a protocol of port %d; give tcp or udp", proto, h.port)
	}
	return h, nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, fmt.Errorf("%q is not a port; give a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

func parseNumber(text string, unit time.Duration, low, high uint64, want string) (time.Duration, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is out of range or no number; give %s", text, want)
	}
	return time.Duration(n) * unit, nil
}

func parseFamily(text string) (family, error) {
	switch strings.ToLower(text) {
	case "4":
		return only4, nil
	case "6":
		return only6, nil
	case "both":
		return both, nil
	}
	return anyFamily, fmt.Errorf("%q is not a family; give %s", text, wanted[keyFamily])
}

// trim takes the blanks of isspace(3) away, as knockd does.
func trim(s string) string { return strings.Trim(s, " \t\r\n\v\f") }
