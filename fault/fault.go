// Package fault gives errors the context of what was being done.
//
// It is what the daemon has in place of package fmt, which together with the
// reflect behind it takes more than a tenth of what a router's flash has room
// for.
package fault

// New returns an error that says what was being done and why it failed, and
// that wraps the cause. doing is lower-case, without a colon at its end.
func New(doing string, cause error) error {
	return &fault{doing, cause}
}

type fault struct {
	doing string
	cause error
}

func (f *fault) Error() string { return f.doing + ": " + f.cause.Error() }

func (f *fault) Unwrap() error { return f.cause }
