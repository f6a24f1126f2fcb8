#!/bin/sh
# Runs a compiled test as root: `go test -exec tools/as-root.sh`.
#
# Through sudo the settings that matter are passed by name, because sudo's own
# -E is often forbidden. HOME becomes root's, so that a go command within a test
# leaves no files of root's in the user's build cache; the modules are shared,
# so that it fetches nothing.
set -eu

[ "$(id -u)" != 0 ] || exec "$@"
command -v sudo >/dev/null || {
	echo "as-root: this test needs root: run make as root, or install sudo" >&2
	exit 1
}
exec sudo -H env "PATH=$PATH" "CI=${CI-}" "GOFLAGS=${GOFLAGS-}" \
	"GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" \
	"GOTOOLCHAIN=$(go env GOTOOLCHAIN)" "$@"
