#!/bin/sh
# SPDX-License-Identifier: MIT
# Run a disk image on the best machine there is, on this terminal: QEMU with KVM where that lets a guest
# use VT-x itself, else Bochs, which emulates VT-x.
#
#   tools/run.sh IMAGE [MACHINE.PY-OPTION...]
set -eu

here=$(dirname "$(readlink -f "$0")")
image=${1:?usage: tools/run.sh IMAGE [MACHINE.PY-OPTION...]}
shift

why_no_kvm() {
	grep -qw vmx /proc/cpuinfo || { echo "this CPU shows no VT-x"; return; }
	case $(cat /sys/module/kvm_intel/parameters/nested 2>/dev/null) in
	Y | 1) ;;
	*) echo "kvm_intel does not nest (parameter nested)"; return ;;
	esac
	(: <>/dev/kvm) 2>/dev/null || echo "/dev/kvm cannot be opened"
}

why=$(why_no_kvm)
if [ -z "$why" ]; then
	echo "Running on QEMU with KVM: 2 CPUs, nested VT-x."
	set -- --emulator qemu --kvm "$@"
else
	echo "Running on Bochs, as $why: 2 CPUs, emulated VT-x."
	echo "It is slow: half a minute or so until the firmware starts Bulkhead."
	set -- --emulator bochs --model haswell --ips 50000000 "$@"
fi
exec "$here/machine.py" --firmware uefi --disk "$image" --cpus 2 --memory 1024 --now --console "$@"
