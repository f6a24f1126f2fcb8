package config

import (
	"strconv"
	"strings"
	"time"

	"sesame/matcher"
)

// maxSeconds is the largest timeout: knockd held them in an int.
const maxSeconds = 1<<31 - 1

// cutComment removes a comment that a blank sets off. knockd read numbers
// with atoi(3), which stops at the blank, so such comments have always worked
// after sequences and timeouts.
func cutComment(value string) string {
	for i := 0; i < len(value); i++ {
		if value[i] == '#' && (i == 0 || strings.IndexByte(blanks, value[i-1]) >= 0) {
			return trim(value[:i])
		}
	}
	return value
}

// parseSeconds reads a whole number of seconds. reason is "" when it is one;
// else d is negative, which no later check mistakes for a time.
func parseSeconds(value string) (d time.Duration, reason string) {
	value = cutComment(value)
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n > maxSeconds {
		return -1, quote(value) + " is not a time; give whole seconds from 0 to " + strconv.Itoa(maxSeconds)
	}
	return time.Duration(n) * time.Second, ""
}

// parseCount reads a whole number from least to most.
func parseCount(value string, least, most int) (n int, reason string) {
	value = cutComment(value)
	n64, err := strconv.ParseUint(value, 10, 31)
	if n = int(n64); err != nil || n < least || n > most {
		return 0, quote(value) + " is not a number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
	}
	return n, ""
}

func parseAfterReboot(value string) (forget bool, reason string) {
	switch value = cutComment(value); strings.ToLower(value) {
	case "run":
		return false, ""
	case "forget":
		return true, ""
	}
	return false, quote(value) + " is neither run nor forget"
}

func parseBool(value string) (yes bool, reason string) {
	switch strings.ToLower(value) {
	case "yes", "true", "1", "on":
		return true, ""
	case "no", "false", "0", "off":
		return false, ""
	}
	return false, quote(value) + " is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0"
}

// parseTarget refuses what can be no packet's destination: a name, a network,
// an address with a zone, and the unspecified address, which would read as
// "any of this machine's".
func parseTarget(value string) (matcher.Addr, string) {
	a, ok := matcher.ParseAddr(value)
	if !ok || a.IsUnspecified() {
		return matcher.Addr{}, quote(value) + " is not an address to knock at; give an IPv4 or IPv6 address in digits"
	}
	return a, ""
}

// parseSequence reads "7000, 8000:udp, ...". It is nil unless bads is empty.
func parseSequence(value string) (seq []matcher.Port, bads []string) {
	if value == "" {
		return nil, []string{"the sequence is empty; give ports from 1 to 65535 separated by commas"}
	}
	n := 1 + strings.Count(value, ",")
	if n > matcher.MaxSequence {
		return nil, []string{strconv.Itoa(n) + " ports in a sequence; at most " + strconv.Itoa(matcher.MaxSequence) + " are allowed"}
	}
	seq = make([]matcher.Port, 0, n)
	for item := range strings.SplitSeq(value, ",") {
		port, bad := parsePort(trim(item))
		if bad != "" {
			bads = append(bads, bad)
			continue
		}
		seq = append(seq, port)
	}
	if bads != nil {
		return nil, bads
	}
	return seq, nil
}

func parsePort(item string) (port matcher.Port, reason string) {
	number, proto, typed := strings.Cut(item, ":")
	number, proto = trim(number), trim(proto)
	n, err := strconv.ParseUint(number, 10, 16)
	switch {
	case item == "":
		return port, "a port is missing beside a comma; give a number from 1 to 65535, or remove the comma"
	case err != nil || n == 0:
		reason = quote(number) + " is not a port; give a number from 1 to 65535"
		if strings.ContainsAny(number, blanks+";") {
			reason += " and separate ports by commas"
		}
		return port, reason
	case !typed || strings.EqualFold(proto, "tcp"):
		return matcher.Port{Number: uint16(n), Proto: matcher.TCP}, ""
	case strings.EqualFold(proto, "udp"):
		return matcher.Port{Number: uint16(n), Proto: matcher.UDP}, ""
	}
	return port, quote(proto) + " is not a protocol of port " + strconv.FormatUint(n, 10) + "; allowed are tcp and udp"
}

// flagNames is in the order in which flags are shown.
var flagNames = [...]struct {
	name string
	bit  uint8
}{
	{"fin", matcher.FIN}, {"syn", matcher.SYN}, {"rst", matcher.RST},
	{"psh", matcher.PSH}, {"ack", matcher.ACK}, {"urg", matcher.URG},
}

// parseFlags reads "syn, !ack". Of a flag and its opposite the later counts.
func parseFlags(value string) (f matcher.Flags, bads []string) {
	for item := range strings.SplitSeq(value, ",") {
		item = trim(item)
		word, not := strings.CutPrefix(item, "!")
		bit := flagBit(trim(word))
		switch {
		case bit == 0 && len(bads) < matcher.MaxSequence:
			bads = append(bads, quote(item)+" is not a TCP flag; allowed are fin, syn, rst, psh, ack and urg, each also with ! before it, separated by commas")
		case not:
			f.Set, f.Clear = f.Set&^bit, f.Clear|bit
		default:
			f.Set, f.Clear = f.Set|bit, f.Clear&^bit
		}
	}
	return f, bads
}

func flagBit(word string) uint8 {
	for i := range flagNames {
		if strings.EqualFold(word, flagNames[i].name) {
			return flagNames[i].bit
		}
	}
	return 0
}
