// Package e2e_test runs the daemon as its users do: on a gateway, in a network
// namespace, with a real firewall, knocked on by knockd's own client from
// another namespace.
//
// The daemon under test is sesame, built here. With SESAME_E2E_DAEMON=knockd it
// is the packaged knockd instead, and the tests of what sesame does differently
// are skipped: that shows that the harness itself is right.
package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// daemon is a knock daemon that a test can start.
type daemon struct {
	path    string
	options string // for the [options] section: log to the standard output
}

// The path of sesame is what TestMain finds out once; not changed after that.
var (
	sesame = daemon{}
	knockd = daemon{path: "knockd", options: "logfile = /dev/stdout"}
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(suite.Main(m, func(dir string) error {
		if err := netns.OwnFiles(dir); err != nil {
			return err
		}
		sesame.path = filepath.Join(dir, "sesame")
		return suite.BuildDaemon(sesame.path, nil, nil)
	}))
}

// underTest returns the daemon that the tests are about.
func underTest(t *testing.T) daemon {
	t.Helper()
	if testsKnockd() {
		suite.Need(t, "knockd")
		return knockd
	}
	return sesame
}

func testsKnockd() bool { return os.Getenv("SESAME_E2E_DAEMON") == "knockd" }

// sesameOnly skips a test of what knockd is known not to do.
func sesameOnly(t *testing.T, why string) {
	t.Helper()
	if testsKnockd() {
		t.Skip("not knockd: " + why)
	}
}
