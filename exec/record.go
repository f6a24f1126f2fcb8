package exec

import (
	"hash/crc32"
	"strconv"
	"time"

	"sesame/matcher"
)

// stateHeader is the first line of a state file. It tells people what they look
// at, and the daemon that the file is its own.
const stateHeader = "# sesame's open doors. The daemon writes this file while it runs.\n"

// op says what a record tells of a lease.
type op byte

const (
	opOpen op = iota // its start command is about to run
	opEnds           // its end has moved
	opRuns           // its start command runs as a process
	opShut           // its stop command has succeeded
	numOps
)

var opNames = [numOps]string{"open", "ends", "runs", "shut"}

// record is one line of the state file:
//
//	CRC open ID BOOT END WALLEND LENGTH OPENED ADDRESS "DOOR" "START" "STOP"
//	CRC ends ID END WALLEND
//	CRC runs ID PID
//	CRC shut ID
//
// CRC is the CRC-32 (IEEE 802.3) of what follows the blank behind it, in hex.
// Times are milliseconds: END on the clock that counts from boot, WALLEND and
// OPENED since 1970. Strings are quoted as in Go; commands still hold %IP%,
// which stands for ADDRESS.
type record struct {
	op op
	id uint64 // of the lease, never used twice in a file
	terms
	pid int
}

// terms are what is known of a lease beside its number.
type terms struct {
	door    Commands
	src     matcher.Addr
	boot    string        // identifies the boot that end belongs to
	end     matcher.Time  // when the stop command is due
	wallEnd int64         // the same on the wall clock, ns
	length  time.Duration // of the lease
	opened  int64         // on the wall clock, ns
}

// crcLen is the length of the checksum and the blank behind it.
const crcLen = len("00000000 ")

// appendRecord appends the line of a record.
func appendRecord(b []byte, r *record) []byte {
	at := len(b)
	b = append(b, "00000000 "...)
	b = append(b, opNames[r.op]...)
	b = appendNumber(b, int64(r.id))
	switch r.op {
	case opOpen:
		b = append(b, ' ')
		b = append(b, r.boot...)
		b = appendMillis(b, int64(r.end), r.wallEnd, int64(r.length), r.opened)
		b = append(b, ' ')
		b = append(b, r.src.String()...)
		for _, text := range [...]string{r.door.Name, r.door.Start, r.door.Stop} {
			b = append(b, ' ')
			b = strconv.AppendQuote(b, text)
		}
	case opEnds:
		b = appendMillis(b, int64(r.end), r.wallEnd)
	case opRuns:
		b = appendNumber(b, int64(r.pid))
	}
	sum := crc32.ChecksumIEEE(b[at+crcLen:])
	const digits = "0123456789abcdef"
	for i := range 8 {
		b[at+i] = digits[sum>>(28-4*i)&15]
	}
	return append(b, '\n')
}

func appendNumber(b []byte, n int64) []byte {
	return strconv.AppendInt(append(b, ' '), n, 10)
}

// appendMillis appends times. What was before a clock's beginning is past all
// the same.
func appendMillis(b []byte, times ...int64) []byte {
	for _, t := range times {
		b = appendNumber(b, max(t, 0)/int64(time.Millisecond))
	}
	return b
}

// fields takes the words of a line one after the other. After the first that
// is not as it should be, bad stays set.
type fields struct {
	rest string
	bad  bool
}

func (f *fields) word() (w string) {
	for i := 0; i < len(f.rest); i++ {
		if f.rest[i] == ' ' {
			w, f.rest = f.rest[:i], f.rest[i+1:]
			return w
		}
	}
	w, f.rest = f.rest, ""
	f.bad = f.bad || w == ""
	return w
}

func (f *fields) number() int64 {
	n, err := strconv.ParseInt(f.word(), 10, 64)
	f.bad = f.bad || err != nil || n < 0
	return n
}

func (f *fields) millis() int64 {
	n := f.number()
	f.bad = f.bad || n > int64(matcher.Never)/int64(time.Millisecond)
	return n * int64(time.Millisecond)
}

func (f *fields) quoted() string {
	prefix, err := strconv.QuotedPrefix(f.rest)
	text, err2 := strconv.Unquote(prefix)
	f.rest = f.rest[len(prefix):]
	if len(f.rest) > 0 && f.rest[0] == ' ' {
		f.rest = f.rest[1:]
	}
	f.bad = f.bad || err != nil || err2 != nil
	return text
}

// parseRecord reads a line without its newline. ok is false when any bit of it
// is not as it was written.
func parseRecord(line string) (r record, ok bool) {
	if len(line) < crcLen || line[crcLen-1] != ' ' {
		return r, false
	}
	sum, err := strconv.ParseUint(line[:crcLen-1], 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE([]byte(line[crcLen:])) {
		return r, false
	}
	f := fields{rest: line[crcLen:]}
	r.op = opOf(f.word())
	r.id = uint64(f.number())
	switch r.op {
	case opOpen:
		r.boot = f.word()
		r.end, r.wallEnd = matcher.Time(f.millis()), f.millis()
		r.length, r.opened = time.Duration(f.millis()), f.millis()
		var ok bool
		if r.src, ok = matcher.ParseAddr(f.word()); !ok || f.bad {
			return record{}, false
		}
		r.door = Commands{f.quoted(), f.quoted(), f.quoted()}
	case opEnds:
		r.end, r.wallEnd = matcher.Time(f.millis()), f.millis()
	case opRuns:
		pid := f.number()
		r.pid = int(pid)
		f.bad = f.bad || pid < 2 || pid > 1<<30 // a group to signal: never all
	}
	if f.bad || f.rest != "" || r.op == numOps || r.id == 0 {
		return record{}, false
	}
	return r, true
}

func opOf(name string) op {
	for o := range numOps {
		if opNames[o] == name {
			return o
		}
	}
	return numOps
}
