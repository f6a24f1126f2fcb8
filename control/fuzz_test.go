package control

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FuzzRequest sends a server whatever comes, in two pieces. What is a line gets
// the answer that is for it, what is none gets none.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"status\n", `close "my door" 192.0.2.7` + "\n", "open \"ssh\" \"::ffff:192.0.2.7\"\n", "\n", "\"\\xff\"\nmore\n",
		"hal", "a  b \n", "\x00\xff\n", strings.Repeat("x", maxRequest), strings.Repeat("\"", maxRequest) + "\n",
	} {
		f.Add([]byte(seed), uint16(3))
	}
	path := filepath.Join(f.TempDir(), "s"+Suffix)
	s, err := Listen(path, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, request []byte, cut uint16) {
		if len(request) > 64<<10 {
			return // is more than a socket takes at once
		}
		r := &rig{t: t, s: s, path: path}
		handled := 0
		s.handle = func(line string) Reply {
			handled++
			if !bytes.HasPrefix(request, []byte(line+"\n")) || strings.Contains(line, "\n") {
				t.Fatalf("%q is taken as %q", request, line)
			}
			return echo(line)
		}
		c := r.dial()
		defer c.close()
		i := min(int(cut), len(request))
		c.send(string(request[:i]))
		r.settle()
		unix.Write(c.fd, request[i:]) // it may be gone
		unix.Shutdown(c.fd, unix.SHUT_WR)
		r.settle()
		if len(s.clients) != 0 {
			t.Fatal("the client is still there")
		}
		line, _, complete := bytes.Cut(request, []byte("\n"))
		reply, _ := c.recv(1 << 20)
		if handled == 0 && (reply != "" || complete && len(line) < maxRequest) || handled > 1 {
			t.Fatalf("handled %d times, answer %q", handled, reply)
		}
		if handled == 0 {
			return
		}
		words, bad := Split(string(line))
		var got []string
		err := parseReply(reply, func(w []string) error {
			got = w[1:]
			return nil
		})
		if bad != nil && errorText(err) != bad.Error() || bad == nil && (err != nil || !slices.Equal(got, words)) {
			t.Fatalf("%q is answered with %q, %v", words, got, err)
		}
	})
}

// echo answers with the words of a request.
func echo(line string) Reply {
	words, err := Split(line)
	if err != nil {
		return Failed(err.Error())
	}
	reply := []string{"words"}
	for _, w := range words {
		reply = append(reply, strconv.Quote(w))
	}
	return Said(reply...)
}

// FuzzReply has a daemon say anything: what can be read can be shown.
func FuzzReply(f *testing.F) {
	f.Add(sample().reply())
	f.Add(other().reply())
	f.Add("error \"no\"\nend\n")
	f.Add("door \"a\" \"\\x1b\" \"\" -9223372036854775808 -9223372036854775807 -1\nnow 9223372036854775807\nstarted -9223372036854775808\nend\n")
	f.Add("count packets 18446744073709551615\n\"\" \"\"\n a\nend\n")
	f.Fuzz(func(t *testing.T, reply string) {
		var s Status
		if parseReply(reply, s.line) != nil {
			return
		}
		all := []*Status{&s}
		if b := AppendJSON(nil, all); !json.Valid(b) {
			t.Errorf("not JSON: %q", b)
		}
		checkPlain(t, s.AppendTable(nil, time.UTC))
		checkPrometheus(t, string(AppendPrometheus(nil, all)))
	})
}
