package control

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

const greeting = "hello you\nend\n"

// TestRequests sends requests in all forms.
func TestRequests(t *testing.T) {
	const what = "error \"what?\"\nend\n"
	var slow []string
	for _, c := range "hello\n" {
		slow = append(slow, string(c))
	}
	for _, tt := range []struct {
		name    string
		pieces  []string
		request string
		reply   string
	}{
		{"whole", []string{"hello\n"}, "hello", greeting},
		{"byte by byte", slow, "hello", greeting},
		{"empty line", []string{"\n"}, "", what},
		{"garbage", []string{"\x00\xff\x1b[2J\r\n"}, "\x00\xff\x1b[2J\r", what},
		{"two at once", []string{"hello\nbig\n"}, "hello", greeting},
		{"longest", []string{strings.Repeat("x", maxRequest-1) + "\n"}, strings.Repeat("x", maxRequest-1), what},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			for _, p := range tt.pieces {
				c.send(p)
				r.settle()
			}
			if len(r.requests) != 1 || r.requests[0] != tt.request {
				t.Errorf("handled %.40q", r.requests)
			}
			c.want(tt.reply)
			if len(r.s.clients) != 0 || r.s.Next() != matcher.Never {
				t.Error("the client is not forgotten")
			}
		})
	}
}

// TestNoRequest covers clients that do not say what they want.
func TestNoRequest(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		end        func(*conn)
	}{
		{"gone at once", "", (*conn).close},
		{"gone within", "hel", (*conn).close},
		{"half-closed within", "hel", func(c *conn) { unix.Shutdown(c.fd, unix.SHUT_WR) }},
		{"over-long", strings.Repeat("x", maxRequest+1), func(*conn) {}},
		{"over-long garbage", strings.Repeat("\x00", 2*maxRequest), func(*conn) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			r.settle()
			c.send(tt.text)
			tt.end(c)
			r.settle()
			if len(r.s.clients) != 0 || len(r.requests) != 0 {
				t.Errorf("%d clients, handled %q", len(r.s.clients), r.requests)
			}
			if c.fd >= 0 {
				c.want("")
			}
		})
	}
}

func TestHalfClosed(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send("hello\n")
	unix.Shutdown(c.fd, unix.SHUT_WR)
	r.settle()
	c.want(greeting)
}

// TestGoneWithReply leaves the server with a reply that nobody takes, before
// its first piece and after it.
func TestGoneWithReply(t *testing.T) {
	for _, turns := range []int{0, 1, 2, 3, 20} {
		r := newRig(t)
		c := r.dial()
		c.send("big\n")
		for range turns {
			r.turn()
		}
		c.close()
		r.settle()
		if len(r.s.clients) != 0 || r.pieces > 20 {
			t.Errorf("after %d turns: %d clients, %d pieces", turns, len(r.s.clients), r.pieces)
		}
		other := r.dial()
		other.send("hello\n")
		r.settle()
		other.want(greeting)
	}
}

// TestSlowReader takes a long reply in small pieces. Meanwhile the server is at
// rest, holds little of it, and answers others.
func TestSlowReader(t *testing.T) {
	r := newRig(t)
	slow := r.dial()
	slow.send("big\n")
	var got strings.Builder
	for {
		r.settle()
		if over := slow.take(&got, 100_000); over {
			break
		}
		unix.Write(slow.fd, []byte("faster\n")) // nobody reads it
		for _, c := range r.s.clients {
			if len(c.out) > 2*pieceSize {
				t.Fatalf("%d bytes wait for a client", len(c.out))
			}
		}
		other := r.dial()
		other.send("hello\n")
		for range 3 { // accept, read, write
			r.turn()
		}
		other.want(greeting)
		other.close()
	}
	doors := 0
	if err := parseReply(got.String(), func(words []string) error {
		var s Status
		if err := s.line(words); err != nil {
			return err
		}
		if len(s.Doors) != 1 || s.Doors[0] != bigDoor(doors) {
			t.Fatalf("door %d: %+v", doors, s.Doors)
		}
		doors++
		return nil
	}); err != nil || doors != bigDoors {
		t.Errorf("%d doors, %v", doors, err)
	}
}

func (c *conn) take(b *strings.Builder, max int) (over bool) {
	c.t.Helper()
	text, over := c.recv(max)
	b.WriteString(text)
	return over
}

// TestOneStep makes every client as much work as it can: a turn does one step
// for each.
func TestOneStep(t *testing.T) {
	r := newRig(t)
	flood, reader := r.dial(), r.dial()
	r.settle()
	flood.send(strings.Repeat("x", 100_000))
	reader.send("big\n")
	waits := maxClients // who wait to be accepted
	for range waits {
		r.dial()
	}
	for range 5 {
		pieces, clients, read := r.pieces, len(r.s.clients), map[*client]int{}
		for _, c := range r.s.clients {
			read[c] = len(c.request)
		}
		r.turn()
		if r.pieces > pieces+1 || len(r.s.clients) > clients+1 {
			t.Errorf("one turn: %d pieces of a reply, %d clients", r.pieces-pieces, len(r.s.clients)-clients)
		}
		for c, before := range read {
			if n := len(c.request) - before; n > 512 {
				t.Errorf("one turn: %d bytes of a request", n)
			}
		}
	}
	if len(r.requests) != 1 || r.pieces < 2 {
		t.Errorf("handled %q, %d pieces", r.requests, r.pieces)
	}
	r.settle()
	if !flood.gone() {
		t.Error("who sends without end is still there")
	}
}

// TestSilentClients has more clients come than are served at once: who has been
// there longest goes, who comes is served.
func TestSilentClients(t *testing.T) {
	r := newRig(t)
	const n = 100
	var silent [n]*conn
	for i := range silent {
		r.now++
		silent[i] = r.dial()
		r.settle()
	}
	for i, c := range silent {
		if gone := i < n-maxClients; c.gone() != gone {
			t.Errorf("client %d of %d: gone %v", i, n, c.gone())
		}
	}
	c := r.dial()
	c.send("hello\n")
	r.settle()
	c.want(greeting)
	silent[n-1].send("hello\n")
	r.settle()
	silent[n-1].want(greeting)
}

// TestDeadline has time go by for a client that is silent, one that does not
// end its request and one that does not read.
func TestDeadline(t *testing.T) {
	r := newRig(t)
	if r.s.Next() != matcher.Never {
		t.Errorf("next %v without a client", r.s.Next())
	}
	texts := []string{"", "hel", "big\n"}
	var clients []*conn
	for _, text := range texts {
		c := r.dial()
		r.settle()
		c.send(text)
		r.settle()
		clients = append(clients, c)
		r.now = r.now.Add(time.Second)
	}
	for i, c := range clients {
		due := matcher.Time(1).Add(patience + time.Duration(i)*time.Second)
		if r.s.Next() != due {
			t.Fatalf("next %v, want %v", r.s.Next(), due)
		}
		// What it says does not give it more time.
		r.now = due - 1
		if i == 1 {
			c.send("l")
		}
		r.settle()
		r.s.Expire(r.now)
		if c.gone() {
			t.Errorf("client %q goes too early", texts[i])
		}
		r.s.Expire(due)
		if !c.gone() {
			t.Errorf("client %q is still there", texts[i])
		}
	}
	if r.s.Next() != matcher.Never || len(r.s.clients) != 0 {
		t.Errorf("next %v, %d clients", r.s.Next(), len(r.s.clients))
	}
}

func TestNothingLeaks(t *testing.T) {
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	r := newRig(t)
	for i := range 300 {
		c := r.dial()
		c.send([]string{"", "hel", "hello\n", "big\n"}[i%4])
		r.turn()
		if i%8 < 4 {
			c.close()
		}
		r.settle()
		c.close()
	}
	for range maxClients {
		r.dial().send("big\n")
		r.turn()
	}
	r.close()
	for range maxClients { // refused: nothing is left of these
		if _, err := dial(t, r.path); err == nil {
			t.Error("connected after Close")
		}
	}
	open := openFiles(t) - fds - 2*maxClients // our own ends
	if open != 0 || runtime.NumGoroutine() > goroutines {
		t.Errorf("%d descriptors more, %d goroutines, %d before", open, runtime.NumGoroutine(), goroutines)
	}
}
