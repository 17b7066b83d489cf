#!/bin/sh
# SPDX-License-Identifier: MIT
# Make the Debian guest: the kernel of Debian's cloud image and a busybox initramfs.
#
#   tools/guest-debian.sh DIRECTORY     makes DIRECTORY/debian.vmlinuz and DIRECTORY/debian.initrd.gz
#
# The drivers of virtio devices are modules, and are taken along as DIRECTORY/debian.modules and into the
# initramfs. The kernel's package is fetched but not installed. What is there already is not fetched again.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-debian.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kernel_make() {
	kernel_fetch "$work/kernel" linux-image-cloud-amd64
	rm -rf "$directory/debian.modules"
	mkdir "$directory/debian.modules"
	find "$work/kernel/lib/modules" '(' -name '*virtio*.ko' -o -name '*failover.ko' ')' \
		-exec cp -t "$directory/debian.modules" {} +
	place "$work"/kernel/boot/vmlinuz-* "$directory/debian.vmlinuz"
}

initrd_make() {
	busybox=$(command -v busybox)
	root=$work/root
	mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
	cp "$busybox" "$root/bin/busybox"
	"$busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	modules_add "$root" "$directory/debian.modules"
	cp "$here/guests/debian-init" "$root/init"
	chmod 755 "$root/init"
	initrd_pack "$root" "$directory/debian.initrd.gz"
}

{ [ -s "$directory/debian.vmlinuz" ] && [ -d "$directory/debian.modules" ]; } || kernel_make
initrd_make
