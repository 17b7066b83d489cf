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

# packages_try DIRECTORY PACKAGE...: fetch them without installing, and unpack them there.
packages_try() {
	(
		directory=$1
		shift
		mkdir -p "$directory/packages"
		cd "$directory/packages"
		apt-get download -q -o APT::Sandbox::User=root "$@" || exit 1
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
