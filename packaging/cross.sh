#!/bin/sh
# Builds sesame for every target and says how large each one is.
#
#   packaging/cross.sh OUTDIR [TARGET...]
#
# The Makefile and Dockerfile.cross both call this script, so that the two
# cannot drift apart: the same Go release gives the same bytes from either.
# POSIX sh and the tools that busybox has are enough.
#
# Environment:
#   VERSION    stamped into main.version; dev when unset
#   GO         the go command
#   XZ         the xz command; empty leaves compressed sizes out
#   NEED_XZ    1: a missing xz is an error, for places that judge the sizes
#   MAX_BYTES, MAX_XZ   the limits for mipsle, in bytes
set -eu

GO=${GO:-go}
XZ=${XZ-xz}
VERSION=${VERSION:-dev}
# The smallest routers have 8 MB of flash, of which a few hundred kB are free
# beside the system; squashfs stores a file about as small as xz does.
MAX_BYTES=${MAX_BYTES:-2500000}
MAX_XZ=${MAX_XZ:-700000}

# Soft floats: MIPS routers have no FPU as a rule, and a kernel without the FPU
# emulator kills a program that uses one. Octeons (mips64) come with and
# without, and the 32-bit x86 gateways still in use (Geode) lack the SSE2 that
# Go otherwise expects. The daemon computes with integers, so it loses nothing.
targets='
amd64    amd64    GOAMD64=v1
386      386      GO386=softfloat
arm64    arm64    GOARM64=v8.0
armv5    arm      GOARM=5
armv6    arm      GOARM=6
armv7    arm      GOARM=7
mips     mips     GOMIPS=softfloat
mipsle   mipsle   GOMIPS=softfloat
mips64   mips64   GOMIPS64=softfloat
mips64le mips64le GOMIPS64=softfloat
riscv64  riscv64  GORISCV64=rva20u64
'

die() {
	echo "cross.sh: $*" >&2
	exit 1
}

# is_static FILE: whether the ELF file names no interpreter (PT_INTERP, 3).
# Read by hand because a minimal image has neither file nor readelf.
is_static() {
	od -An -v -tu1 -N 4096 "$1" | awk '
	function num(at, len,   i, v) {
		for (i = 0; i < len; i++)
			v = v * 256 + b[at + (big ? i : len - 1 - i)]
		return v
	}
	{ for (i = 1; i <= NF; i++) b[n++] = $i }
	END {
		if (b[0] != 127 || b[1] != 69 || b[2] != 76 || b[3] != 70) exit 2
		wide = b[4] == 2
		big = b[5] == 2
		off = wide ? num(32, 8) : num(28, 4)
		size = wide ? num(54, 2) : num(42, 2)
		count = wide ? num(56, 2) : num(44, 2)
		if (count == 0 || off + count * size > n) exit 2
		for (i = 0; i < count; i++)
			if (num(off + i * size, 4) == 3) exit 1
	}'
}

# build NAME GOARCH SETTING: one target into $out. On MIPS Go aligns segments to
# 64 KiB, for kernels with pages of that size; routers have 4 KiB, Loongson's
# 16 KiB, and each of the two gaps is flash. All but the packages on the path of
# a packet is compiled without inlining: mipsle is 2,457,793 bytes instead of
# 2,572,481, for 63 ns a packet instead of 56 (BenchmarkPacket, amd64). The
# Makefile and e2e/suite build in the same way.
build() {
	round=
	case $2 in mips*) round='-R 16384' ;; esac
	# Settings of the caller's own must not change the bytes.
	env -u GOEXPERIMENT -u GOFIPS140 -u GODEBUG \
		GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS=linux "GOARCH=$2" "$3" \
		"$GO" build -trimpath -buildvcs=false -gcflags=all=-l -gcflags=sesame/matcher= -gcflags=sesame/afpacket= \
		-ldflags "-s -w -buildid= $round -X main.version=$VERSION" \
		-o "$out/sesame-linux-$1" . || die "building for $1 failed"
	is_static "$out/sesame-linux-$1" ||
		die "sesame-linux-$1 is not a static ELF program: a package with cgo or a plugin was linked in"
}

# weigh NAME: one row of the table; exits when mipsle is too large.
weigh() {
	bytes=$(($(wc -c <"$out/sesame-linux-$1")))
	packed=-
	if [ -n "$XZ" ]; then
		packed=$(($("$XZ" -9e -T1 -c "$out/sesame-linux-$1" | wc -c)))
	fi
	printf '%-24s %10s %10s\n' "sesame-linux-$1" "$bytes" "$packed"
	[ "$1" = mipsle ] || return 0
	[ "$bytes" -le "$MAX_BYTES" ] ||
		die "sesame-linux-mipsle has $bytes bytes, the limit is $MAX_BYTES: look for a new import with 'go list -deps .'"
	[ "$packed" = - ] || [ "$packed" -le "$MAX_XZ" ] ||
		die "sesame-linux-mipsle has $packed bytes as xz, the limit is $MAX_XZ: look for a new import with 'go list -deps .'"
}

[ $# -ge 1 ] || die "usage: cross.sh OUTDIR [TARGET...]"
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."

for name; do
	echo "$targets" | grep -q "^$name " || die "there is no target $name; the targets are:" \
		"$(echo "$targets" | awk 'NF { printf "%s ", $1 }')"
done
# Asked to work, not only looked for: busybox has an xz that cannot compress.
if [ -n "$XZ" ] && ! echo | "$XZ" -9e -T1 -c >/dev/null 2>&1; then
	[ "${NEED_XZ:-0}" != 1 ] || die "xz is missing, so the compressed size cannot be judged: install xz-utils (make setup does)"
	XZ=
fi
unset XZ_OPT XZ_DEFAULTS

rm -f "$out"/sesame-linux-* "$out/SHA256SUMS"
echo "sesame $VERSION, $("$GO" env GOVERSION)"
printf '%-24s %10s %10s\n' target bytes 'xz -9e'
# A here-document, not a pipe: die has to end the script, not a subshell.
while read -r name arch setting; do
	[ -n "$name" ] || continue
	case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
	build "$name" "$arch" "$setting"
	weigh "$name"
done <<EOF
$targets
EOF

cd "$out"
sha256sum sesame-linux-* >SHA256SUMS
