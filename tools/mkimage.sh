#!/bin/sh
# SPDX-License-Identifier: MIT
# Make a disk image, fit for a USB stick, from a boot volume's directory tree (tools/mkesp.sh): a GPT with
# one EFI system partition, FAT32. Needs no root.
#
#   tools/mkimage.sh DIRECTORY IMAGE
set -eu

if [ $# -ne 2 ]; then
	sed -n '6s/^# *//p' "$0" >&2
	exit 2
fi
directory=$1 image=$2

# A MiB before the partition, as is custom, one behind it for the second GPT; FAT32 needs some 33 MiB
# to be FAT32 at all.
files_mib=$(du -sm --apparent-size "$directory" | cut -f 1)
part_mib=$((files_mib + files_mib / 8 + 8))
[ "$part_mib" -ge 62 ] || part_mib=62
sectors=$((part_mib * 2048))

rm -f "$image.new"
truncate -s $((part_mib + 2))M "$image.new"
sgdisk --clear --new=1:2048:$((2048 + sectors - 1)) --typecode=1:ef00 --change-name=1:Bulkhead \
	"$image.new" >/dev/null
mformat -i "$image.new@@1M" -F -T "$sectors" -h 255 -s 63 -H 2048 -v BULKHEAD ::
mcopy -i "$image.new@@1M" -s -Q -m "$directory"/* ::
mv "$image.new" "$image"
