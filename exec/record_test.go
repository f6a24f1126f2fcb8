package exec

import (
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/matcher"
)

// openRecord returns the record of a lease as the daemon would write it.
func openRecord(id uint64, src matcher.Addr, end matcher.Time) record {
	return record{op: opOpen, id: id, terms: terms{
		door: Commands{"ssh", "echo open %IP%", "echo shut %IP%"}, src: src, boot: "boot1",
		end: end, wallEnd: 1_700_000_030e9, length: 30 * time.Second, opened: 1_700_000_000e9,
	}}
}

// sealed returns a line with the checksum that it ought to have.
func sealed(text string) string {
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 16)
	return strings.Repeat("0", 8-len(sum)) + sum + " " + text
}

// lineOf returns a record as a line without its newline.
func lineOf(r record) string {
	b := appendRecord(nil, &r)
	return string(b[:len(b)-1])
}

// TestRecordFormat holds the format to what is documented: files outlive the
// version of the daemon that wrote them.
func TestRecordFormat(t *testing.T) {
	open := openRecord(7, alice, matcher.Time(30*time.Second))
	for _, c := range []struct {
		r    record
		text string
	}{
		{open, `open 7 boot1 30000 1700000030000 30000 1700000000000 192.0.2.7 "ssh" "echo open %IP%" "echo shut %IP%"`},
		{record{op: opEnds, id: 7, terms: terms{end: 5e9, wallEnd: 6e9}}, "ends 7 5000 6000"},
		{record{op: opRuns, id: 7, pid: 4711}, "runs 7 4711"},
		{record{op: opShut, id: 7}, "shut 7"},
	} {
		if got, want := lineOf(c.r), sealed(c.text); got != want {
			t.Errorf("written: %s\nwant:    %s", got, want)
		}
		if r, ok := parseRecord(sealed(c.text)); !ok || r != c.r {
			t.Errorf("%s is read as %+v, %v", c.text, r, ok)
		}
	}
	// The check value of CRC-32/ISO-HDLC ties the sum to the one that other
	// programs compute.
	if got := sealed("123456789"); got != "cbf43926 123456789" {
		t.Errorf("the checksum is not the documented one: %s", got)
	}
}

// TestRecordStrings checks that what a configuration may hold comes back, and
// that no record is more than one line.
func TestRecordStrings(t *testing.T) {
	for _, text := range []string{
		"", " ", `"`, `\`, "two\nlines", "tab\there", "nul\x00", "\xff\xfe", "Tür", "日本\u2028", `a" "b`, "`", strings.Repeat("x", 1<<17),
	} {
		for _, src := range []matcher.Addr{alice, carol, {}, {15: 1}, {10: 0xff, 11: 0xff}} {
			r := openRecord(1, src, 1e9)
			r.door = Commands{text, "start" + text, text + "stop"}
			l := lineOf(r)
			if strings.Contains(l, "\n") {
				t.Errorf("%q makes two lines of a record", text)
			}
			if got, ok := parseRecord(l); !ok || got != r {
				t.Errorf("%q comes back as %q", text, got.door)
			}
		}
	}
}

// TestRecordDamage changes each byte of records to each other value: none is
// taken for something else.
func TestRecordDamage(t *testing.T) {
	for _, r := range []record{
		openRecord(7, carol, 1e9), {op: opEnds, id: 7, terms: terms{end: 5e9, wallEnd: 6e9}}, {op: opRuns, id: 7, pid: 4711}, {op: opShut, id: 7},
	} {
		whole := lineOf(r)
		b := []byte(whole)
		for i := range b {
			for v := range 256 {
				b[i] = byte(v)
				if got, ok := parseRecord(string(b)); ok && got != r {
					t.Fatalf("%q is taken for %+v", b, got)
				}
			}
			b[i] = whole[i]
		}
		for n := range b {
			if _, ok := parseRecord(whole[:n]); ok {
				t.Errorf("%q is taken for a record", whole[:n])
			}
		}
	}
}

// TestRecordRefused checks lines that only something else than the daemon can
// have written.
func TestRecordRefused(t *testing.T) {
	const commands = ` "ssh" "a" "b"`
	for _, text := range []string{
		"", "open", "shut", "shut ", "shut 0", "shut -1", "shut x", "shut 1 2", "SHUT 1", "numOps 1", "shut 9223372036854775808",
		"runs 1", "runs 1 0", "runs 1 1", "runs 1 -7", "runs 1 1073741825", "runs 1 99999999999",
		"ends 1", "ends 1 5", "ends 1 -5 5", "ends 1 5 9223372036855", "ends 1 1.5 5", "ends 1 5 5 5",
		"open 0 boot 1 1 1 1 192.0.2.7" + commands,
		"open 1 boot 1 1 1 192.0.2.7" + commands,
		"open 1 boot 1 1 -1 1 192.0.2.7" + commands,
		"open 1 boot 1 1 1 1 192.0.2.7/24" + commands,
		"open 1 boot 1 1 1 1 fe80::1%eth0" + commands,
		"open 1 boot 1 1 1 1 host" + commands,
		`open 1 boot 1 1 1 1 192.0.2.7 "ssh" "a"`,
		`open 1 boot 1 1 1 1 192.0.2.7 "ssh" "a" "b`,
		`open 1 boot 1 1 1 1 192.0.2.7 "ssh" "a" b`,
		`open 1 boot 1 1 1 1 192.0.2.7 "ssh" "a" "b" "c"`,
	} {
		if r, ok := parseRecord(sealed(text)); ok {
			t.Errorf("%q is taken for %+v", text, r)
		}
	}
	for _, l := range []string{"shut 1", "00000000shut 1", "00000000 shut 1", "+" + sealed("shut 1"), sealed("shut 1")[1:]} {
		if r, ok := parseRecord(l); ok {
			t.Errorf("%q is taken for %+v", l, r)
		}
	}
}

// TestRecordPast checks that an end before the clock's beginning, which a lease
// has that ended long before this boot, makes a record that can be read.
func TestRecordPast(t *testing.T) {
	past := openRecord(7, alice, -1e18)
	past.wallEnd, past.opened = -5, -1e18
	for _, r := range []record{past, {op: opEnds, id: 7, terms: terms{end: -1e18, wallEnd: -1e9}}} {
		got, ok := parseRecord(lineOf(r))
		if !ok || got.end > 0 || got.wallEnd > 0 || got.id != 7 {
			t.Errorf("%s is read as %+v, %v", lineOf(r), got, ok)
		}
	}
}
