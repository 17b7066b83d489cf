# SPDX-License-Identifier: MIT
# Sourced by the scripts that make guests of Debian's packages, with `set -eu`.

lists_update() {
	if [ "$(id -u)" = 0 ]; then
		apt-get update -q
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo apt-get update -q
	else
		return 1
	fi
}

# More options for apt, of those who fetch for another architecture.
apt_options=

# packages_try DIRECTORY PACKAGE...: fetch them without installing, and unpack them there.
packages_try() {
	(
		directory=$1
		shift
		mkdir -p "$directory/packages"
		cd "$directory/packages"
		# shellcheck disable=SC2086
		apt-get download -q -o APT::Sandbox::User=root $apt_options "$@" || exit 1
		for file in *.deb; do
			dpkg -x "$file" "$directory" || exit 1
		done
	)
}

# packages_unpack DIRECTORY PACKAGE...: the same, with fresh lists if need be; or end with words.
packages_unpack() {
	if ! packages_try "$@" && ! { lists_update && packages_try "$@"; }; then
		shift
		echo "guests: cannot fetch Debian's packages with apt-get: $*" >&2
		echo "guests: is there a network? As root, 'apt-get update' brings fresh lists." >&2
		exit 1
	fi
}

# i386_begin DIRECTORY: what follows is for 32 bits. Lists of its own are in DIRECTORY, so that nothing on this
# system is changed and root is not needed. A source that has nothing for i386 is no error.
i386_begin() {
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	: >"$1/status"
	apt_options="-o APT::Architecture=i386 -o APT::Architectures::=i386 -o Dir::State::lists=$1/lists"
	apt_options="$apt_options -o Dir::State::status=$1/status -o Dir::Cache=$1/cache"
	# shellcheck disable=SC2086
	apt-get update -qq -o APT::Sandbox::User=root $apt_options 2>/dev/null || true
}

# package_of META: the package of the present kernel, on which its metapackage depends.
package_of() {
	# shellcheck disable=SC2086
	apt-cache $apt_options depends "$1" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# kernel_fetch DIRECTORY META: fetch the present kernel and unpack it there.
kernel_fetch() {
	# Without lists nothing is known of any package.
	[ -n "$(package_of "$2")" ] || lists_update || true
	package=$(package_of "$2")
	echo "guests: fetching ${package:=$2}"
	packages_unpack "$1" "$package"
}

# place SOURCE DIRECTORY/NAME: all at once, so that what is there is whole.
place() {
	cp "$1" "$2.new"
	mv "$2.new" "$2"
}

# initrd_pack ROOT FILE: the same tree makes the same file, byte for byte.
initrd_pack() {
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . | LC_ALL=C sort |
		cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -9n >"$2.new"
	mv "$2.new" "$2"
}

# modules_add ROOT DIRECTORY: the drivers of virtio devices, wherever they are in DIRECTORY, with the order in
# which /init loads them.
modules_add() {
	mkdir -p "$1/lib/modules"
	for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng \
		virtio_blk virtio_console failover net_failover virtio_net virtio_balloon; do
		find "$2" -name "$module.ko" -exec cp -t "$1/lib/modules" {} +
		[ ! -e "$1/lib/modules/$module.ko" ] || echo "$module"
	done >"$1/lib/modules/order"
}
