#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch what `make test-guests` starts besides the systems of the examples, from Debian's packages.
#
#   tools/guest-suite.sh DIRECTORY     makes in it
#       generic.vmlinuz                Debian's kernel for any PC of 64 bits
#       realtime.vmlinuz               its real-time kernel
#       cyclictest.initrd.gz           cyclictest with its libraries
#       pae.vmlinuz                    its kernel for 32-bit CPUs with PAE
#       installer.vmlinuz installer.initrd.gz   its installer, 64 bits
#       xen                            Xen, a multiboot kernel
#
# Packages are fetched but not installed. What is there already is not fetched again.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-suite.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# kernel_make NAME META: the kernel alone.
kernel_make() {
	[ ! -s "$directory/$1.vmlinuz" ] || return 0
	kernel_fetch "$work/$1" "$2"
	place "$work/$1"/boot/vmlinuz-* "$directory/$1.vmlinuz"
	rm -rf "${work:?}/$1"
}

# No more than what the Debian guest's initial RAM disk lacks.
cyclictest_make() {
	echo "guests: fetching cyclictest"
	packages_unpack "$work/rt-tests" rt-tests libnuma1 libc6
	more=$work/cyclictest
	mkdir -p "$more/bin" "$more/lib" "$more/lib64"
	cp "$work/rt-tests/usr/bin/cyclictest" "$more/bin"
	find "$work/rt-tests/lib" "$work/rt-tests/usr/lib" '(' -name libc.so.6 -o -name librt.so.1 \
		-o -name libpthread.so.0 -o -name libnuma.so.1 ')' -exec cp -L -t "$more/lib" {} +
	cp -L "$work"/rt-tests/lib/*/ld-linux-x86-64.so.2 "$more/lib64"
	initrd_pack "$more" "$directory/cyclictest.initrd.gz"
}

installer_make() {
	echo "guests: fetching Debian's installer (130 MiB)"
	packages_unpack "$work/installer" debian-installer-12-netboot-amd64
	text=$work/installer/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64
	place "$text/initrd.gz" "$directory/installer.initrd.gz"
	place "$text/linux" "$directory/installer.vmlinuz"
}

xen_make() {
	echo "guests: fetching Xen"
	packages_unpack "$work/xen" xen-hypervisor-4.17-amd64
	gunzip -c "$work"/xen/boot/xen-*.gz >"$work/xen.elf"
	place "$work/xen.elf" "$directory/xen"
}

kernel_make generic linux-image-amd64
kernel_make realtime linux-image-rt-amd64
[ -s "$directory/cyclictest.initrd.gz" ] || cyclictest_make
[ -s "$directory/installer.vmlinuz" ] || installer_make
[ -s "$directory/xen" ] || xen_make
if [ ! -s "$directory/pae.vmlinuz" ]; then
	i386_begin "$work/apt"
	kernel_make pae linux-image-686-pae
fi
