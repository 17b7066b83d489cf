#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch and make what `make test-guests` starts by UEFI and other ROMs, from Debian's packages.
#
#   tools/guest-uefi.sh DIRECTORY      needs DIRECTORY/debian.vmlinuz and debian.initrd.gz, makes in it
#       uefi.img                       a disk: GRUB, which starts the Debian guest
#       uefi-tools.img                 a disk that starts nothing by itself, with iPXE
#       uboot32.rom uboot64.rom        U-Boot, for 32-bit and 64-bit CPUs
#
# Packages are fetched but not installed.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-uefi.sh DIRECTORY}
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin

# What it says goes to COM1 by itself: the firmware's console would show it there a second time.
grub_config() {
	cat <<-'END'
		serial --unit=0 --speed=115200
		terminal_input serial
		terminal_output serial
		echo "GRUB is up: $grub_cpu-$grub_platform"
		search --set=root --file /vmlinuz
		linux /vmlinuz console=ttyS0 quiet nokaslr cryptomgr.notests
		initrd /initrd.gz
		boot
	END
}

grub_make() {
	packages_unpack "$work/grub" grub-common grub-efi-amd64-bin libdevmapper1.02.1
	grub_config >"$work/grub.cfg"
	LD_LIBRARY_PATH=$work/grub/lib/x86_64-linux-gnu "$work/grub/usr/bin/grub-mkimage" \
		-O x86_64-efi -d "$work/grub/usr/lib/grub/x86_64-efi" -p /EFI/BOOT -c "$work/grub.cfg" -o "$1" \
		part_gpt fat serial terminal echo search search_fs_file linux boot normal
}

disk_make() {
	mkdir -p "$work/disk/EFI/BOOT"
	grub_make "$work/disk/EFI/BOOT/BOOTX64.EFI"
	cp "$directory/debian.vmlinuz" "$work/disk/vmlinuz"
	cp "$directory/debian.initrd.gz" "$work/disk/initrd.gz"
	"$here/mkimage.sh" "$work/disk" "$directory/uefi.img"
}

tools_make() {
	packages_unpack "$work/tools" ipxe
	mkdir "$work/files"
	cp "$work/tools/boot/ipxe.efi" "$work/files/ipxe.efi"
	"$here/mkimage.sh" "$work/files" "$directory/uefi-tools.img"
}

uboot_make() {
	packages_unpack "$work/uboot" u-boot-qemu
	cp "$work/uboot/usr/lib/u-boot/qemu-x86/u-boot.rom" "$directory/uboot32.rom"
	cp "$work/uboot/usr/lib/u-boot/qemu-x86_64/u-boot.rom" "$directory/uboot64.rom"
}

tools_make
uboot_make
disk_make
