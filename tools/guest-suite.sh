#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch what `make test-guests` starts besides the Debian guest, from Debian's packages.
#
#   tools/guest-suite.sh DIRECTORY     makes in it
#       memtest64.bin memtest32.bin    memtest86+, for 64-bit and 32-bit CPUs
#       gnumach                        GNU Mach, a multiboot kernel
#       debian686.vmlinuz              Debian's kernel for 32-bit CPUs, as its installer has it
#
# What is there already is not fetched again.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-suite.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# place SOURCE NAME: all at once, so that what is there is whole.
place() {
	cp "$1" "$directory/$2.new"
	mv "$directory/$2.new" "$directory/$2"
}

if [ ! -s "$directory/memtest64.bin" ] || [ ! -s "$directory/memtest32.bin" ]; then
	packages_unpack "$work/memtest" memtest86+
	place "$work/memtest/boot/memtest86+x64.bin" memtest64.bin
	place "$work/memtest/boot/memtest86+ia32.bin" memtest32.bin
fi
if [ ! -s "$directory/gnumach" ]; then
	packages_unpack "$work/gnumach" gnumach-image-1.8-486
	gunzip -c "$work"/gnumach/boot/gnumach-*.gz >"$work/gnumach.elf"
	place "$work/gnumach.elf" gnumach
fi
if [ ! -s "$directory/debian686.vmlinuz" ]; then
	packages_unpack "$work/installer" debian-installer-12-netboot-i386
	place "$work"/installer/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux \
		debian686.vmlinuz
fi
