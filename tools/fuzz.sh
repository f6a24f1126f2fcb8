#!/bin/sh
# Runs every fuzz target of the tree, one at a time (go test takes no more), for
# $FUZZTIME each.
set -eu

GO=${GO:-go}
FUZZTIME=${FUZZTIME:-10s}
cd "$(dirname "$0")/.."

# Lines "./package FuzzName".
targets=$(grep -rE --include='*_test.go' '^func Fuzz' . |
	sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort)
[ -n "$targets" ] || {
	echo "fuzz.sh: there is no fuzz target in this tree" >&2
	exit 1
}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Go before 1.27 now and then fails a target with no more than "context deadline
# exceeded" when the time is up (go.dev/issue/75804). A real finding always
# comes with a file for it.
spurious() {
	grep -qx ' *context deadline exceeded' "$out" && ! grep -q 'Failing input written' "$out"
}

while read -r package name; do
	echo "$name in $package, $FUZZTIME"
	# Go would make each new input smaller for a minute, and fuzz no more meanwhile.
	if "$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 100x "$package" </dev/null >"$out" 2>&1; then
		tail -n 3 "$out"
	elif spurious; then
		echo "nothing found; Go's fuzzer ended late (context deadline exceeded)"
	else
		cat "$out"
		exit 1
	fi
done <<EOF
$targets
EOF
