package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"sesame/e2e/netns"
)

func TestPipe(t *testing.T) {
	p, err := newPipe(filepath.Join(t.TempDir(), "pipe"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	write := func(text string) {
		t.Helper()
		if _, err := syscall.Write(p.fd, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	began := netns.Now()
	write("one\ntw")
	first, ok := p.await("one", netns.Deadline)
	if !ok || first < began || first > netns.Now() {
		t.Errorf("one: %v, %v; began at %v", first, ok, began)
	}
	if _, ok := p.await("tw", 0); ok {
		t.Error("half a line was taken for one")
	}
	write("o\none\nthree\n")
	if _, ok := p.await("three", netns.Deadline); !ok {
		t.Error("three did not come")
	}
	if _, ok := p.lines()["two"]; !ok || len(p.lines()) != 3 {
		t.Errorf("lines %v", p.lines())
	}
	if at, _ := p.await("one", 0); at != first {
		t.Errorf("one came at %v, and later the same at %v", first, at)
	}
	p.forget("one")
	if _, ok := p.await("one", 0); ok {
		t.Error("one was not forgotten")
	}
	write("one\n")
	if at, ok := p.await("one", netns.Deadline); !ok || at <= first {
		t.Errorf("one again: %v, %v", at, ok)
	}
}
