#!/bin/sh
# SPDX-License-Identifier: MIT
# Lay out a boot volume: the directory tree that an EFI system partition has.
#
#   tools/mkesp.sh DIRECTORY BULKHEAD.EFI CONFIG ['\path\on\volume=FILE'...]
#
# Names are as in the configuration.
set -eu

if [ $# -lt 3 ]; then
	sed -n '5s/^# *//p' "$0" >&2
	exit 2
fi
directory=$1 efi=$2 config=$3
shift 3

rm -rf "$directory.new"
mkdir -p "$directory.new/EFI/BOOT" "$directory.new/bulkhead"
cp "$efi" "$directory.new/EFI/BOOT/BOOTX64.EFI"
cp "$config" "$directory.new/bulkhead/bulkhead.conf"
for pair in "$@"; do
	name=$(printf '%s' "${pair%%=*}" | tr '\\' /)
	mkdir -p "$directory.new/$(dirname "$name")"
	cp "${pair#*=}" "$directory.new/$name"
done
rm -rf "$directory"
mv "$directory.new" "$directory"
