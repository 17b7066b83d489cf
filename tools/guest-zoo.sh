#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch the systems that examples/zoo.conf has besides the Debian guest, from Debian's packages.
#
#   tools/guest-zoo.sh DIRECTORY       makes in it
#       memtest64.bin memtest32.bin    memtest86+, for 64-bit and 32-bit CPUs
#       gnumach                        GNU Mach, a multiboot kernel
#       debian686.vmlinuz              Debian's kernel for 32-bit CPUs, as its installer has it
#       debian686.initrd.gz            busybox and drivers for it, from the same package
#       debian686.root                 the same before packing, without /init
#
# Packages are fetched but not installed. What is there already is not fetched again.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-zoo.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# installer_take DIRECTORY: the kernel, and of what the installer starts with a busybox for 32 bits, its library
# and the kernel's drivers.
installer_take() {
	place "$1/linux" "$directory/debian686.vmlinuz"
	mkdir -p "$work/initrd" "$work/root/bin" "$work/root/lib"
	gunzip -c "$1/initrd.gz" |
		(cd "$work/initrd" && cpio --quiet -idm --no-absolute-filenames)
	cp "$work/initrd/bin/busybox" "$work/root/bin"
	cp -L "$work/initrd/lib/ld-linux.so.2" "$work"/initrd/lib/*/libc.so.6 \
		"$work"/initrd/lib/*/libresolv.so.2 "$work/root/lib"
	find "$work/initrd" -type l -lname '*busybox' -printf '%f\n' | while read -r applet; do
		ln -sf busybox "$work/root/bin/$applet"
	done
	ln -s busybox "$work/root/bin/init"
	ln -s busybox "$work/root/bin/insmod"
	modules_add "$work/root" "$work/initrd/lib/modules"
	rm -rf "$directory/debian686.root"
	mv "$work/root" "$directory/debian686.root"
}

initrd686_make() {
	cp -a "$directory/debian686.root" "$work/initrd686"
	(cd "$work/initrd686" && mkdir dev etc proc sys tmp)
	cp "$here/guests/debian-init" "$work/initrd686/init"
	chmod 755 "$work/initrd686/init"
	initrd_pack "$work/initrd686" "$directory/debian686.initrd.gz"
}

if [ ! -s "$directory/memtest64.bin" ] || [ ! -s "$directory/memtest32.bin" ]; then
	echo "guests: fetching memtest86+"
	packages_unpack "$work/memtest" memtest86+
	place "$work/memtest/boot/memtest86+x64.bin" "$directory/memtest64.bin"
	place "$work/memtest/boot/memtest86+ia32.bin" "$directory/memtest32.bin"
fi
if [ ! -s "$directory/gnumach" ]; then
	echo "guests: fetching GNU Mach"
	packages_unpack "$work/gnumach" gnumach-image-1.8-486
	gunzip -c "$work"/gnumach/boot/gnumach-*.gz >"$work/gnumach.elf"
	place "$work/gnumach.elf" "$directory/gnumach"
fi
if [ ! -s "$directory/debian686.vmlinuz" ] || [ ! -d "$directory/debian686.root" ]; then
	echo "guests: fetching Debian's 32-bit kernel, with its installer (100 MiB)"
	packages_unpack "$work/installer" debian-installer-12-netboot-i386
	installer_take "$work/installer/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386"
fi
initrd686_make
