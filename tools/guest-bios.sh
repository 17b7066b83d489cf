#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch what `make test-guests` starts by a BIOS, from Debian's packages.
#
#   tools/guest-bios.sh DIRECTORY      makes in it
#       grub.boot grub.core            GRUB: the first sector of a disk, and those behind it. It takes
#                                      grub/grub.cfg of the first partition, a FAT one.
#       syslinux syslinux.mbr memdisk  SYSLINUX: the program that puts it on a disk, the first sector for that,
#                                      and the kernel that is a disk itself
#       ipxe.lkrn                      iPXE, a kernel for the 16-bit entry
#       invaders                       GRUB Invaders, a multiboot kernel that draws text
#
# Packages are fetched but not installed.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-bios.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The library is of grub-mkimage, the one program of these packages that is run.
grub_make() {
	packages_unpack "$work/grub" grub-pc-bin grub-common libdevmapper1.02.1
	modules=$work/grub/usr/lib/grub/i386-pc
	printf '%s\n' 'set root=hd0,msdos1' 'configfile /grub/grub.cfg' >"$work/grub.cfg"
	LD_LIBRARY_PATH=$work/grub/lib/x86_64-linux-gnu "$work/grub/usr/bin/grub-mkimage" \
		-O i386-pc -d "$modules" -c "$work/grub.cfg" -p /grub -o "$work/grub.core" \
		biosdisk part_msdos fat serial terminal normal configfile linux linux16
	place "$modules/boot.img" "$directory/grub.boot"
	place "$work/grub.core" "$directory/grub.core"
}

others_fetch() {
	packages_unpack "$work/others" syslinux syslinux-common ipxe grub-invaders
	place "$work/others/usr/bin/syslinux" "$directory/syslinux"
	place "$work/others/usr/lib/syslinux/mbr/mbr.bin" "$directory/syslinux.mbr"
	place "$work/others/usr/lib/syslinux/memdisk" "$directory/memdisk"
	place "$work/others/boot/ipxe.lkrn" "$directory/ipxe.lkrn"
	place "$work/others/boot/invaders.exec" "$directory/invaders"
}

others_fetch
grub_make
