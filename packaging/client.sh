#!/bin/sh
# Builds the client knock for every system and says how large each file is.
#
#   packaging/client.sh OUTDIR [SYSTEM/PROCESSOR...]
#
# Environment:
#   VERSION    stamped into main.version; dev when unset
#   GO         the go command
set -eu

GO=${GO:-go}
VERSION=${VERSION:-dev}
targets='linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64 freebsd/arm64'

die() {
	echo "client.sh: $*" >&2
	exit 1
}

[ $# -ge 1 ] || die "usage: client.sh OUTDIR [SYSTEM/PROCESSOR...]"
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."

for name; do
	case " $targets " in *" $name "*) ;; *) die "there is no target $name; the targets are: $targets" ;; esac
done

printf '%-24s %10s\n' target bytes
for target in ${*:-$targets}; do
	system=${target%/*}
	file=knock-$system-${target#*/}
	[ "$system" != windows ] || file=$file.exe
	# Settings of the caller's own must not change the bytes.
	env -u GOEXPERIMENT -u GOFIPS140 -u GODEBUG -u GOAMD64 -u GOARM64 \
		GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS="$system" GOARCH="${target#*/}" \
		"$GO" build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" \
		-o "$out/$file" ./knock || die "building for $target failed"
	printf '%-24s %10s\n' "$file" "$(($(wc -c <"$out/$file")))"
done
# Of the files that this script makes: the daemon's have a list of their own.
cd "$out"
sha256sum knock-* >SHA256SUMS.knock
