// Package diff_test runs the packaged knockd and sesame side by side, on the
// same interface and with the same doors, and sends every packet once: both
// hear exactly the same. What they log and what their commands write must be
// the same as well, but for the differences that a scenario names; these must
// be there, in the form that it says.
//
// The scenarios are also the text of docs/knockd.md. After a change of them,
// write it anew with
//
//	go test ./e2e/diff -run TestDocument -update
package diff_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

var update = flag.Bool("update", false, "write docs/knockd.md anew instead of comparing it")

// sesamePath is what TestMain finds out once; not changed after that.
var sesamePath string

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(suite.Main(m, func(dir string) error {
		sesamePath = filepath.Join(dir, "sesame")
		return suite.BuildDaemon(sesamePath, nil, nil)
	}))
}

// need skips the test where namespaces cannot be made or knockd is missing.
func need(t *testing.T) {
	t.Helper()
	suite.NeedRoot(t)
	suite.Need(t, "knockd", "ip", "nsenter", "unshare", "setpriv")
}
