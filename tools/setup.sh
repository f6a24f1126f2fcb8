#!/bin/sh
# Installs what this machine lacks, with Debian's or Ubuntu's apt-get.
#
#   tools/setup.sh demo   a firewall tool, if there is none, and certificates for
#                         go's downloads; never fails
#   tools/setup.sh test   everything that the tests use
#   tools/setup.sh bench  what the benchmarks of bench/ use; the tests use it too
#   tools/setup.sh vm     the emulator for make vm-test
#
# Nothing missing, nothing done: a second run calls no apt-get and needs no root.
set -eu

PATH=$PATH:/usr/sbin:/sbin

has() {
	command -v "$1" >/dev/null 2>&1
}

missing=
promtool= # or a blank and its name
# want TEST PACKAGE: TEST is a command or, with a slash, a file.
want() {
	case $1 in
	*/*) [ -e "$1" ] && return ;;
	*) has "$1" && return ;;
	esac
	missing="$missing $2"
}

case ${1-} in
demo)
	has nft || has iptables || missing=' nftables'
	# Go cannot fetch a module without them.
	want /etc/ssl/certs/ca-certificates.crt ca-certificates
	;;
bench)
	want nft nftables
	want knockd knockd
	want ip iproute2
	want gcc gcc # for the least that a daemon can be
	want /usr/include/stdio.h libc6-dev
	;;
test)
	want iptables iptables
	want nft nftables
	want ufw ufw
	want knockd knockd # its client, and the daemon to compare with
	want ip iproute2
	want setpriv util-linux
	want sysctl procps
	want ssh openssh-client # knock --ssh-config is tried with it
	want wine wine # for the client's Windows build
	# The name of the program lost its -static when the package did, in Debian 13.
	has qemu-mips || want qemu-mips-static qemu-user-static
	want xz xz-utils
	want gcc gcc # the race detector is cgo
	want /usr/include/stdio.h libc6-dev
	want buildah buildah
	want /etc/ssl/certs/ca-certificates.crt ca-certificates
	want git git
	want mandoc mandoc
	want systemd-analyze systemd # to check the units; it is not started
	# The base image holds busybox alone, so it must be the static one.
	if ! has busybox || ldd "$(command -v busybox)" >/dev/null 2>&1; then
		missing="$missing busybox-static"
	fi
	has promtool || promtool=' promtool'
	;;
vm)
	want qemu-system-x86_64 qemu-system-x86
	want xz xz-utils # some releases compress the kernel's modules
	;;
*)
	echo "usage: setup.sh demo|test|bench|vm" >&2
	exit 2
	;;
esac
[ -n "$missing$promtool" ] || exit 0

mode=$1
# fail WHY: the demo works without a firewall tool, the tests do not.
fail() {
	not=$missing$promtool
	echo "setup: not installed: ${not# }: $1" >&2
	[ "$mode" = demo ] || exit 1
	echo "setup: going on without" >&2
	exit 0
}

has apt-get || fail "there is no apt-get; install the like with this system's own tools"
root=
if [ "$(id -u)" != 0 ]; then
	has sudo || fail "that needs root; run 'make setup' as root, or install sudo"
	# The demo must not wait for a password that nobody is there to type.
	[ "$mode" != demo ] || [ -t 0 ] || sudo -n true 2>/dev/null || fail "sudo asks for a password"
	root=sudo
fi

echo "setup: installing$missing$promtool"
# No service comes up by this: Debian ships knockd and ufw switched off. Prometheus
# would, so nothing but its promtool is taken.
$root env DEBIAN_FRONTEND=noninteractive "promtool=$promtool" sh -c '
	apt-get update -qq || exit 1
	[ $# = 0 ] || apt-get install -y -qq --no-install-recommends "$@" >/dev/null || exit 1
	[ -n "$promtool" ] || exit 0
	dir=$(mktemp -d) && trap "rm -rf $dir" EXIT && cd "$dir" &&
		apt-get download -qq -o APT::Sandbox::User=root prometheus &&
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool &&
		install -m 755 usr/bin/promtool /usr/local/bin' sh $missing ||
	fail "apt-get failed, see above"
