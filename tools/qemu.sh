#!/bin/sh
# Runs the tests of the packages named, built for big-endian 32-bit MIPS, under
# qemu's user emulation: the byte order and word size that this machine is not.
#
#   tools/qemu.sh ./matcher ./config ./afpacket
#
# Tests in files named _linux_test.go are left out, as is what -short leaves
# out: they use packet sockets and namespaces, which the emulator does not know.
# Without -v, so that the CI script does not count those as skipped; they run in
# the tests of this machine.
set -eu

GO=${GO:-go}
qemu=$(command -v qemu-mips-static || command -v qemu-mips) || {
	echo "qemu.sh: qemu-mips-static is not installed: run make setup" >&2
	exit 1
}
cd "$(dirname "$0")/.."

for package; do
	files=$(find "$package" -maxdepth 1 -name '*_test.go' ! -name '*_linux_test.go')
	names=$(cat $files | sed -nE 's/^func ((Test|Fuzz)[A-Za-z0-9_]+)\(. \*testing.*/\1/p' | paste -sd '|' -)
	[ -n "$names" ] || {
		echo "qemu.sh: no test found in $package" >&2
		exit 1
	}
	GOARCH=mips GOMIPS=softfloat CGO_ENABLED=0 "$GO" test -short -count=1 \
		-exec "$qemu" -run "^($names)\$" "$package"
done
