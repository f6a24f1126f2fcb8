package fault

import (
	"errors"
	"io"
	"testing"
)

func TestSaysWhatAndWhy(t *testing.T) {
	err := New("read knockd.conf", New("open", io.ErrUnexpectedEOF))
	if got := err.Error(); got != "read knockd.conf: open: unexpected EOF" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not wrapped")
	}
}
