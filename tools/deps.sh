#!/bin/sh
# SPDX-License-Identifier: MIT
# Make sure that the Debian packages that a make target needs are there.
#
#   tools/deps.sh SET...        SETs: run (build and run), test (that, and every test)
#
# Installs what is missing when it may (root, or sudo without a password); otherwise prints the command
# and fails. Does nothing, quickly, when all is there.
set -eu

build="make gcc libc6-dev binutils nasm gnu-efi acpica-tools libcjson-dev libedit-dev"
machines="bochs bochs-term bochsbios vgabios ovmf qemu-system-x86 python3 python3-pexpect"
images="mtools gdisk busybox-static cpio"
tests="lz4 libcmocka-dev libzydis-dev python3-pytest clang libclang-rt-dev llvm clang-format clang-tidy cppcheck"

wanted=""
for set in "$@"; do
	case $set in
	run) wanted="$wanted $build $machines $images" ;;
	test) wanted="$wanted $build $machines $images $tests" ;;
	*)
		echo "deps: unknown set '$set': run or test" >&2
		exit 2
		;;
	esac
done
if [ -z "$wanted" ]; then
	echo "usage: tools/deps.sh SET...   (run, test)" >&2
	exit 2
fi
if ! command -v dpkg-query >/dev/null; then
	echo "deps: this is not a Debian system; what is needed has these names there:$wanted" >&2
	exit 1
fi

# It fails when a package is unknown, which is no error here.
# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	sed -n 's/^installed //p' || true)
missing=""
for package in $wanted; do
	case "
$installed
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing" ]; then
	exit 0
fi

# shellcheck disable=SC2086
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
install="apt-get install -y --no-install-recommends $missing"
if [ "$(id -u)" = 0 ]; then
	as_root="env"
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root="sudo"
else
	echo "deps: these Debian packages are missing: $missing" >&2
	echo "deps: as root, do:  apt-get update && $install" >&2
	exit 1
fi

echo "deps: installing with apt-get: $missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q ||
	echo "deps: apt-get update failed; going on with the package lists that are there" >&2
# shellcheck disable=SC2086
if ! $as_root apt-get install -y -q --no-install-recommends $missing; then
	echo "deps: apt-get could not install: $missing" >&2
	exit 1
fi
