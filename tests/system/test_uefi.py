# SPDX-License-Identifier: MIT
"""The loader on real firmware: a start to the console, and every refusal. After a refusal the firmware goes on
as if nothing had happened: its shell comes up and answers."""
import collections
import os
import re
import shutil
import tempfile

import pytest

from host import BUILD, DEBIAN_FILES, ROOT, Host, in_parallel, selected

WESTMERE = "use an Intel CPU of the Westmere generation (2010) or later"
UNCHANGED = "Bulkhead was not started. Nothing on this machine has been changed."
CONFIGS = os.path.join(ROOT, "tests/system/configs")
EXAMPLE = os.path.join(ROOT, "examples/first.conf")
BOOT_SECONDS = 150

Refusal = collections.namedtuple("Refusal", "words config lock machine")


def refusal(words, config=EXAMPLE, lock=False, **machine):
    return Refusal(words, config, lock, machine)


def promised(name):
    """The errors that a broken configuration names in its comments."""
    with open(os.path.join(CONFIGS, name), encoding="utf-8") as file:
        return [r"bulkhead\.conf:" + re.escape(text)
                for text in re.findall(r"^# error: (.*)$", file.read(), re.M)]


# Each line that must appear, in this order, as a regular expression.
REFUSALS = {
    "no EPT": refusal([
        r"No extended page tables \(EPT\): IA32_VMX_PROCBASED_CTLS2 = 0x[0-9a-f]+, bit 33 is 0; "
        + re.escape(WESTMERE)], model="penryn"),
    "no unrestricted guest": refusal([
        r"No unrestricted guest: IA32_VMX_PROCBASED_CTLS2 = 0x[0-9a-f]+, bit 39 is 0; "
        + re.escape(WESTMERE)], model="lynnfield"),
    "AMD": refusal([
        r"This CPU has AMD's SVM, not Intel VT-x: CPUID\.80000001H:ECX = 0x[0-9a-f]+; "
        r"Bulkhead needs an Intel CPU with VT-x"], model="trinity_apu"),
    "locked off": refusal([
        r"lock: VMX is locked off on every CPU",
        r"VMX is locked off by firmware: IA32_FEATURE_CONTROL = 0x1; enable VT-x \(Intel "
        r"Virtualization Technology\) in the firmware's setup menu"], lock=True, cpus=2),
    "QEMU": refusal([
        r"No VT-x \(VMX\): CPUID\.1:ECX = 0x[0-9a-f]+, bit 5 is 0; enable nested virtualization "
        r"\(VT-x for guests\) in the hypervisor that this virtual machine runs under"],
        emulator="qemu", model="Haswell-noTSX", cpus=4, memory_mib=6144),
    "unknown key": refusal(promised("unknown-key.conf"),
                           config=os.path.join(CONFIGS, "unknown-key.conf")),
    "bad size": refusal(promised("bad-size.conf"), config=os.path.join(CONFIGS, "bad-size.conf")),
    "CPU level": refusal([re.escape(
        "bulkhead.conf:3: [partition new] cpu = x86-64-v3: the machine lacks XSAVE, AVX, AVX2, BMI1, "
        "BMI2, F16C, FMA, LZCNT, MOVBE; allowed: host, or a level all of which each of this "
        "machine's CPUs has")],
        config=os.path.join(ROOT, "tests/system/level-v3.conf"), model="arrandale"),
    "missing file": refusal([
        re.escape("\\bulkhead\\debian\\vmlinuz: no such file on the boot volume")]),
}


def volume_make(directory, config, files=(), lock=False):
    boot = os.path.join(directory, "EFI/BOOT/BOOTX64.EFI")
    loader = os.path.join(directory, "hv.efi") if lock else boot
    os.makedirs(os.path.dirname(boot))
    os.makedirs(os.path.join(directory, "bulkhead/debian"))
    shutil.copy(os.path.join(BUILD, "bulkhead.efi"), loader)
    if lock:
        shutil.copy(os.path.join(BUILD, "uefi/lock.efi"), boot)
    shutil.copy(config, os.path.join(directory, "bulkhead/bulkhead.conf"))
    for name, path in dict(files).items():
        shutil.copy(path, directory + name.replace("\\", "/"))


def firmware_answers(host, lock):
    """Back in the firmware: its shell runs."""
    host.send(" ")  # "Press a key to go back"
    if lock:
        host.expect("lock: hv.efi returned EFI_UNSUPPORTED", BOOT_SECONDS)
    host.expect("UEFI Interactive Shell", BOOT_SECONDS)
    host.expect("to skip", BOOT_SECONDS)
    host.send("\x1b")
    host.expect("Shell>", BOOT_SECONDS)
    host.send("echo al^ive\r")  # the shell drops the ^, which its echo of the keys still has
    host.expect("alive", BOOT_SECONDS)
    assert host.machine.running()


def refuse(name):
    wanted = REFUSALS[name]
    with tempfile.TemporaryDirectory(prefix="bulkhead-esp-") as directory:
        volume_make(directory, wanted.config, lock=wanted.lock)
        machine = {"ips": 10_000_000, **wanted.machine}
        with Host([], firmware="uefi", disk=directory, **machine) as host:
            for words in wanted.words:
                host.expect(words, BOOT_SECONDS)
            host.expect(re.escape(UNCHANGED), BOOT_SECONDS)
            firmware_answers(host, wanted.lock)
    return True


def start():
    """From the firmware to Debian's shell, on two CPUs."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-esp-") as directory:
        volume_make(directory, EXAMPLE, DEBIAN_FILES)
        with Host([], firmware="uefi", disk=directory, cpus=2, memory_mib=1024) as host:
            host.greeted(BOOT_SECONDS)
            assert "firmware  EDK II" in "\n".join(host.command("version"))
            assert "CPUs      2 in use" in host.command("version")
            text = host.guest("debian", "debian:/# ", BOOT_SECONDS)
            assert "Debian guest is up: Linux " in text
    return True


@pytest.fixture(scope="module")
def results(request):
    names = selected(request, "name")
    return in_parallel(lambda name: refuse(name) if name in REFUSALS else start(), names)


@pytest.mark.long
@pytest.mark.parametrize("name", ["start"] + list(REFUSALS))
def test_loader(results, name):
    assert results(name)
