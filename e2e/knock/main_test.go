// Package knock_test runs the client as its users do: without rights, in a
// network namespace, against gateways that drop, refuse or accept, and against
// the doors of sesame and of the packaged knockd. What is on the wire is read
// from a packet socket on the gateway.
package knock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// What TestMain finds out once; not changed after that.
var clientPath, daemonPath string

func TestMain(m *testing.M) {
	netns.Main()
	role()
	os.Exit(suite.Main(m, func(dir string) error {
		if err := netns.OwnFiles(dir); err != nil {
			return err
		}
		clientPath, daemonPath = filepath.Join(dir, "knock"), filepath.Join(dir, "sesame")
		return errors.Join(suite.BuildDaemon(daemonPath, nil, nil), suite.Build(clientPath, "sesame/knock", nil, nil))
	}))
}
