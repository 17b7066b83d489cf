#!/bin/sh
# SPDX-License-Identifier: MIT
# Make the Debian guest: the kernel of Debian's cloud image and a busybox initramfs.
#
#   tools/guest-debian.sh DIRECTORY     makes DIRECTORY/debian.vmlinuz and DIRECTORY/debian.initrd.gz
#
# The drivers of virtio devices are modules; those in `modules` below are taken along, as
# DIRECTORY/debian.modules, and into the initramfs, where /init loads them in this order. The kernel's package is fetched but not installed. What is there already is not fetched again.
set -eu

modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng virtio_blk virtio_console failover net_failover virtio_net virtio_balloon"

here=$(dirname "$(readlink -f "$0")")
. "$here/guest-common.sh"
directory=${1:?usage: tools/guest-debian.sh DIRECTORY}
mkdir -p "$directory"
directory=$(readlink -f "$directory")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The metapackage depends on the package that has the present kernel.
kernel_package() {
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

kernel_make() {
	# Without lists nothing is known of any package.
	[ -n "$(kernel_package)" ] || lists_update || true
	package=$(kernel_package)
	echo "guest-debian: fetching ${package:=linux-image-cloud-amd64}"
	packages_unpack "$work/kernel" "$package"
	rm -rf "$directory/debian.modules"
	mkdir "$directory/debian.modules"
	find "$work/kernel/lib/modules" '(' -name '*virtio*.ko' -o -name '*failover.ko' ')' \
		-exec cp -t "$directory/debian.modules" {} +
	cp "$work"/kernel/boot/vmlinuz-* "$directory/debian.vmlinuz.new"
	mv "$directory/debian.vmlinuz.new" "$directory/debian.vmlinuz"
}

initrd_make() {
	busybox=$(command -v busybox)
	root=$work/root
	mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/lib/modules"
	cp "$busybox" "$root/bin/busybox"
	"$busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	for module in $modules; do
		cp "$directory/debian.modules/$module.ko" "$root/lib/modules"
		echo "$module"
	done >"$root/lib/modules/order"
	cp "$here/guests/debian-init" "$root/init"
	chmod 755 "$root/init"
	# The same input makes the same file, byte for byte.
	find "$root" -exec touch -h -d @0 {} +
	(cd "$root" && find . | LC_ALL=C sort |
		cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -9n >"$directory/debian.initrd.gz.new"
	mv "$directory/debian.initrd.gz.new" "$directory/debian.initrd.gz"
}

{ [ -s "$directory/debian.vmlinuz" ] && [ -d "$directory/debian.modules" ]; } || kernel_make
initrd_make
