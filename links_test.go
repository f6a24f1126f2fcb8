package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/afpacket"
	"sesame/matcher"
)

// linksOf reads "1wan+ 2lan": index, name, and a + if it is up.
func linksOf(text string) (links []afpacket.Link) {
	for _, word := range strings.Fields(text) {
		name, up := strings.CutSuffix(word, "+")
		at := strings.IndexFunc(name, func(r rune) bool { return r > '9' })
		index, _ := strconv.Atoi(name[:at])
		links = append(links, afpacket.Link{Index: index, Name: name[at:], Up: up})
	}
	return links
}

var kindNames = [...]string{attach: "attach", gone: "gone", unwanted: "unwanted", altered: "altered"}

func TestPlanLinks(t *testing.T) {
	for _, tt := range []struct{ name, names, links, attached, want, waiting string }{
		{"nothing to do", "wan", "1lo+ 2wan+", "2wan+", "", ""},
		{"one name", "wan", "1lo+ 2wan+", "", "attach 2wan+", ""},
		{"down is no hindrance", "wan", "2wan", "", "attach 2wan", ""},
		{"missing", "wan", "1lo+ 2wan2+", "", "", "wan"},
		{"a list, half of it there", "wan,wg0", "1lo+ 3wg0+", "", "attach 3wg0+", "wan"},
		{"a pattern", "ppp*", "1lo+ 2ppp0+ 3ppp1 4pp", "3ppp1", "attach 2ppp0+", ""},
		{"a pattern for nothing", "ppp*,wan", "2wan+", "2wan+", "", "ppp*"},
		{"two names for one", "ppp*,ppp0", "2ppp0+", "", "attach 2ppp0+", ""},
		{"any", "any", "1lo+ 2wan+", "", "attach 0any+", ""},
		{"any, with none there", "any", "", "", "attach 0any+", ""},
		{"any beside others", "wan,any", "", "0any+", "", ""},
		{"any no more", "wan", "2wan+", "0any+", "unwanted 0any+, attach 2wan+", ""},
		{"any from now on", "any", "2wan+", "2wan+", "unwanted 2wan+, attach 0any+", ""},
		{"gone", "wan", "1lo+", "2wan+", "gone 2wan+", "wan"},
		{"made again", "wan", "1lo+ 5wan+", "2wan+", "gone 2wan+, attach 5wan+", ""},
		{"its socket is dead", "wan", "2wan+", "-1wan+", "gone -1wan+, attach 2wan+", ""},
		{"renamed to match", "wan", "2wan+", "", "attach 2wan+", ""},
		{"renamed, and matches still", "ppp*", "2ppp7+", "2ppp0+", "altered 2ppp7+", ""},
		{"renamed away", "wan", "2old+", "2wan+", "unwanted 2wan+", "wan"},
		{"two change names", "wan", "2old+ 3wan+", "2wan+", "unwanted 2wan+, attach 3wan+", ""},
		{"down", "wan", "2wan", "2wan+", "altered 2wan", ""},
		{"up", "wan", "2wan+", "2wan", "altered 2wan+", ""},
		{"the last goes first", "wan,lan,wg0", "3lan", "2wan+ 3lan+ 4wg0+", "gone 4wg0+, altered 3lan, gone 2wan+", "wan,wg0"},
		{"no name yet", "", "1lo+ 2wan+", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names := strings.FieldsFunc(tt.names, func(r rune) bool { return r == ',' })
			attached := linksOf(strings.ReplaceAll(tt.attached, "-1", "9"))
			for i := range attached {
				if attached[i].Index == 9 {
					attached[i].Index = -1
				}
			}
			changes, waiting := planLinks(names, linksOf(tt.links), attached)
			var got []string
			for _, c := range changes {
				plus := ""
				if c.link.Up {
					plus = "+"
				}
				got = append(got, kindNames[c.kind]+" "+strconv.Itoa(c.link.Index)+c.link.Name+plus)
				if c.kind != attach && c.link.Index != attached[c.at].Index {
					t.Errorf("%+v is not about %+v", c, attached[c.at])
				}
			}
			if strings.Join(got, ", ") != tt.want || strings.Join(waiting, ",") != tt.waiting {
				t.Errorf("%q, waiting for %q; want %q and %q", got, waiting, tt.want, tt.waiting)
			}
		})
	}
}

func TestDefaultNames(t *testing.T) {
	for _, tt := range []struct{ name, links, attached, route, want string }{
		{"eth0", "1lo+ 2eth0 3wan+", "", "wan", "eth0"},
		{"the default route", "1lo+ 3wan+", "", "wan", "wan"},
		{"neither", "1lo+ 3wan+", "", "", ""},
		{"what is listened on stays", "2eth0+ 3wan+", "3wan+", "eth0", "wan"},
		{"also with another name", "2eth0+ 3dsl+", "3wan+", "eth0", "dsl"},
		{"it is gone", "2eth0+ 4wan+", "3wan+", "wan", "eth0"},
	} {
		got := defaultNames(linksOf(tt.links), linksOf(tt.attached), func() string { return tt.route })
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestEchoes sends packets through interfaces that stand on each other.
func TestEchoes(t *testing.T) {
	type sent struct {
		link, id int
		after    time.Duration
		again    bool
	}
	for _, tt := range []struct {
		name string
		list []sent
	}{
		{"once", []sent{{link: 2}}},
		{"on a bridge and below it", []sent{{link: 2}, {link: 5, again: true}}},
		{"three times", []sent{{link: 2}, {link: 5, again: true}, {link: 9, again: true}}},
		{"sent twice", []sent{{link: 2}, {link: 2}, {link: 5, again: true}}},
		{"others in between", []sent{{link: 2, id: 1}, {link: 2, id: 2}, {link: 3, id: 3}, {link: 5, id: 1, again: true}, {link: 5, id: 2, again: true}, {link: 5, id: 3, again: true}}},
		{"another packet", []sent{{link: 2, id: 1}, {link: 5, id: 2}}},
		{"late", []sent{{link: 2}, {link: 5, after: echoTime - 1, again: true}, {link: 5, after: 1}}},
	} {
		var s echoes
		now := matcher.Time(time.Hour)
		for i, packet := range tt.list {
			now = now.Add(packet.after)
			b := rawSYN()
			b[5] = byte(packet.id)
			if got := s.heard(now, packet.link, b); got != packet.again {
				t.Errorf("%s: packet %d: %v, want %v", tt.name, i, got, packet.again)
			}
		}
	}
	// A flood is between the two times that a packet is heard.
	var s echoes
	for round := range 50 {
		missed := 0
		for _, link := range []int{2, 3} {
			for i := range 400 {
				b := rawSYN()
				b[4], b[5], b[12] = byte(i>>8), byte(i), byte(round)
				if s.heard(matcher.Time(round+1), link, b) != (link == 3) {
					missed++
				}
			}
		}
		if missed > 20 {
			t.Errorf("round %d: %d of 400 are heard twice", round, missed)
		}
	}
}
