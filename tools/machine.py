#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run an emulated PC: Bochs (which emulates VT-x) or QEMU, started by UEFI or by the test-only loader.

As a library:

    with Machine(firmware="stub", bundle="build/test.bundle", cpus=2) as machine:
        machine.com[0].expect("ready")         # machine.com[n] is a pexpect object
        machine.com[0].send("version\\r")
        ending = machine.wait(timeout=20)      # Ending: .kind, .detail
        assert ending.kind == "done"

Each machine has a temporary directory of its own, opens no fixed port and leaves neither files nor processes
behind; logs are kept when `logs` names a directory. As a program it runs one machine, with --console on
the user's terminal: tools/machine.py --help."""
import argparse
import collections
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine_serial import EOF, Pump, Serial, listen, port_of

TOOLS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TOOLS)
STUB_IMAGE = os.path.join(ROOT, "build/stub.img")
BUNDLE_ADDRESS = 0x4000000  # as in tests/stub/stub.h
END_PORT = 0x8900           # 'D' ends a run well, "Shutdown" ends it badly, in both emulators

# Bochs' names for its CPU models are long; these are the ones that matter here.
BOCHS_MODELS = {
    "penryn": "core2_penryn_t9600",         # VT-x without EPT
    "lynnfield": "corei5_lynnfield_750",    # no unrestricted guest
    "arrandale": "corei5_arrandale_m520",   # the least that Bulkhead runs on
    "sandybridge": "corei7_sandy_bridge_2600k",
    "ivybridge": "corei7_ivy_bridge_3770k",
    "haswell": "corei7_haswell_4770",
    "broadwell": "broadwell_ult",
    "skylake": "corei7_skylake_x",
    "cannonlake": "corei3_cnl",
    "icelake": "corei7_icelake_u",
    "tigerlake": "tigerlake",
    "ryzen": "ryzen",                       # AMD
    "prescott": "p4_prescott_celeron_336",  # no VT-x
}


class MachineError(Exception):
    """The machine could not be started; the text says why."""


class Ending(collections.namedtuple("Ending", "kind detail seconds")):
    """How a run ended.

    kind: 'done'      the guest wrote 'D' to port 0x8900: the only good ending of a test
          'shutdown'  it powered off (ACPI, firmware, or "Shutdown" written to port 0x8900)
          'reset'     it reset the machine, and the machine was told not to (QEMU)
          'triple-fault'
          'panic'     the emulator refuses to go on; detail has its words
          'timeout'   it was still running
          'stopped'   close() was called
          'died'      the emulator ended in another way
    """

    def __str__(self):
        return f"{self.kind} after {self.seconds:.2f} s" + (f": {self.detail}" if self.detail else "")


def file_text(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("latin-1")
    except OSError:
        return ""


class Machine:
    """One emulated PC. Every argument is keyword-only and has a usable default.

    emulator   'bochs' | 'qemu'
    firmware   'stub' (BIOS and the test-only loader; needs `bundle`) | 'uefi' (needs `disk`)
    disk       an image file (nothing written to it is kept), or a directory that becomes a FAT volume;
               with firmware='stub' it is a second disk
    bundle     file made by tools/mkbundle.py
    cpus, memory_mib
    model      Bochs: a key of BOCHS_MODELS or Bochs' own name (default haswell); QEMU: a -cpu value
    ips        Bochs: emulated instructions a second of emulated time
    com_ports  how many serial ports, 1 to 4
    strict_msrs  Bochs: unknown MSRs raise #GP
    kvm        QEMU: use KVM
    reboot     QEMU: a reset restarts the machine rather than ending the run (Bochs: it always does)
    time_s     wall clock at power-on, seconds since 1970
    extra      Bochs: more lines of bochsrc; QEMU: more arguments
    logs       directory for logs that stay (com1.log, emulator.log, bochs.log, ...)
    """

    def __init__(self, *, emulator="bochs", firmware="stub", disk=None, bundle=None, cpus=1,
                 memory_mib=512, model=None, ips=10_000_000, com_ports=1, strict_msrs=True, kvm=False,
                 reboot=False, time_s=1_700_000_000, extra=(), logs=None):
        self.emulator, self.firmware = emulator, firmware
        self.disk, self.bundle = disk, bundle
        self.cpus, self.memory_mib, self.model, self.ips = cpus, memory_mib, model, ips
        self.strict_msrs, self.kvm, self.reboot, self.time_s = strict_msrs, kvm, reboot, time_s
        self.extra = list(extra)
        self.com_ports = com_ports
        self.com = []
        self.ending = None
        self._logs_kept = logs
        self._process = None
        self._pump = None
        self._sockets = []
        self._qmp_output = bytearray()
        self._check()

    def _check(self):
        if self.emulator not in ("bochs", "qemu"):
            raise MachineError(f"unknown emulator '{self.emulator}': bochs or qemu")
        if self.firmware not in ("stub", "uefi"):
            raise MachineError(f"unknown firmware '{self.firmware}': stub or uefi")
        if not 1 <= self.com_ports <= 4:
            raise MachineError(f"{self.com_ports} serial ports: 1 to 4 are possible")
        needed = [("bundle", self.bundle)] if self.firmware == "stub" else [("disk", self.disk)]
        for what, path in needed:
            if path is None:
                raise MachineError(f"firmware '{self.firmware}' needs a {what}")
        if self.firmware == "stub" and not os.path.exists(STUB_IMAGE):
            raise MachineError(f"{STUB_IMAGE} is missing: make build/stub.img")
        for path in (self.disk, self.bundle):
            if path is not None and not os.path.exists(path):
                raise MachineError(f"{path} is missing")

    # Starting

    def start(self):
        self.directory = tempfile.mkdtemp(prefix="bulkhead-")
        self.logs = self._logs_kept or self.directory
        os.makedirs(self.logs, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    __enter__ = start

    def __exit__(self, *_):
        self.close()

    def _log(self, name):
        return os.path.abspath(os.path.join(self.logs, name))

    def _start(self):
        self._pump = Pump()
        listeners = [listen() for _ in range(self.com_ports)]
        qmp = listen() if self.emulator == "qemu" else None
        self._sockets += listeners + ([qmp] if qmp else [])
        self.com = [Serial(f"com{i + 1}", self._log(f"com{i + 1}.log"))
                    for i in range(self.com_ports)]
        if qmp:
            command = self._qemu_command(listeners, qmp)
        else:
            command = self._bochs_command(listeners)
        self._spawn(command)
        for serial, listener in zip(self.com, listeners):
            connection = self._accept(listener)
            serial.attach(connection)
            self._pump.add(connection, serial.feed)
        if qmp:
            connection = self._accept(qmp)
            connection.sendall(b'{"execute":"qmp_capabilities"}\n')
            self._pump.add(connection, self._qmp_output.extend)
        self._pump.start()

    def _spawn(self, command):
        # The emulator may not outlive this program, however it ends.
        command = ["setpriv", "--pdeathsig", "KILL"] + command
        environment = dict(os.environ, TERM="dumb", TZ="UTC", TMPDIR=self.directory)
        self._started = time.monotonic()
        with open(self._log("emulator.log"), "wb") as log:
            try:
                self._process = subprocess.Popen(command, cwd=self.directory, env=environment,
                                                 stdin=subprocess.DEVNULL, stdout=log,
                                                 stderr=subprocess.STDOUT, start_new_session=True)
            except OSError as error:
                raise MachineError(f"{command[0]}: {error.strerror}") from error

    def _accept(self, listener):
        """The emulator connects to us as it starts."""
        limit = time.monotonic() + 20
        while time.monotonic() < limit and self._process.poll() is None:
            if select.select([listener], [], [], 0.1)[0]:
                connection = listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(connection)
                return connection
        raise MachineError(f"{self.emulator} does not start: {self._complaints()}")

    def _complaints(self):
        """What the emulator itself says was wrong. Bochs has no log of its own before it has read
        its configuration."""
        log = file_text(self._log("emulator.log")) + file_text(self._log("bochs.log"))
        complaints = re.findall(r"^\d+[pe]\[\w*\s*\] (?!notify called)(.*)$", log, re.M)
        return "; ".join(complaints[:4]) or "\n".join(log.splitlines()[-5:])

    def _bochs_command(self, listeners):
        if not shutil.which("bochs-bin"):
            raise MachineError("Bochs is missing; install Debian's bochs, bochs-term, bochsbios, vgabios")
        with open(os.path.join(self.directory, "bochsrc"), "w", encoding="ascii") as file:
            file.write("\n".join(self._bochsrc(listeners)) + "\n")
        # The debugger stops at port 0x8900 'D', and then reads the next line.
        with open(os.path.join(self.directory, "go.rc"), "w", encoding="ascii") as file:
            file.write("c\nq\n")
        return ["bochs-bin", "-q", "-f", "bochsrc", "-rc", "go.rc"]

    def _bochsrc(self, listeners):
        model = self.model or "haswell"
        msrs = f', ignore_bad_msrs=0, msrs="{TOOLS}/bochs-msrs.def"' if self.strict_msrs else ""
        lines = [
            "display_library: term",
            f"memory: guest={self.memory_mib}, host={min(self.memory_mib, 2048)}",
            f"cpu: model={BOCHS_MODELS.get(model, model)}, count={self.cpus}, ips={self.ips}, "
            f"reset_on_triple_fault=0{msrs}",
            "pci: enabled=1, chipset=i440fx",
            "vga: extension=vbe, update_freq=1",
            "boot: disk",
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
            f"log: {self._log('bochs.log')}",
            "panic: action=fatal",
            "error: action=ignore, cpu0=report",
            "info: action=ignore",
            "debug: action=ignore",
            f"clock: sync=none, time0={self.time_s}",
            "sound: driver=dummy",
            "speaker: enabled=0",
            "port_e9_hack: enabled=1",
        ]
        disks = [self.disk] if self.disk else []
        if self.firmware == "uefi":
            lines += ["romimage: file=/usr/share/ovmf/OVMF.fd, address=0xffe00000",
                      "vgaromimage: file=/usr/share/vgabios/vgabios-stdvga.bin"]
        else:
            lines += ["romimage: file=/usr/share/bochs/BIOS-bochs-latest",
                      "vgaromimage: file=/usr/share/vgabios/vgabios.bin",
                      f'optramimage1: file="{os.path.abspath(self.bundle)}", '
                      f"address={BUNDLE_ADDRESS:#x}"]
            disks.insert(0, STUB_IMAGE)
        for i, disk in enumerate(disks):
            lines.append(f"ata0-{('master', 'slave')[i]}: type=disk, {self._bochs_disk(disk, i)}")
        for i, listener in enumerate(listeners):
            lines.append(f"com{i + 1}: enabled=1, mode=socket-client, dev=127.0.0.1:{port_of(listener)}")
        return lines + self.extra

    def _bochs_disk(self, disk, number):
        path = os.path.abspath(disk)
        if os.path.isdir(path):
            return f'path="{path}", mode=vvfat'
        journal = os.path.join(self.directory, f"disk{number}.journal")
        return f'path="{path}", mode=volatile, journal="{journal}"'

    def _qemu_command(self, listeners, qmp):
        if not shutil.which("qemu-system-x86_64"):
            raise MachineError("QEMU is missing; install Debian's qemu-system-x86")
        command = ["qemu-system-x86_64", "-machine", "q35,accel=" + ("kvm" if self.kvm else "tcg"),
                   "-cpu", self.model or ("host" if self.kvm else "max"), "-smp", str(self.cpus),
                   "-m", str(self.memory_mib), "-display", "none", "-nodefaults", "-vga", "std",
                   "-rtc", time.strftime("base=%Y-%m-%dT%H:%M:%S", time.gmtime(self.time_s)),
                   "-device", f"isa-debug-exit,iobase={END_PORT:#x},iosize=1"]
        if not self.reboot:
            command.append("-no-reboot")
        for i, listener in enumerate(listeners):
            command += ["-chardev", f"socket,id=com{i + 1},host=127.0.0.1,port={port_of(listener)}",
                        "-serial", f"chardev:com{i + 1}"]
        command += ["-chardev", f"socket,id=qmp,host=127.0.0.1,port={port_of(qmp)}",
                    "-mon", "chardev=qmp,mode=control"]
        if self.firmware == "uefi":
            variables = os.path.join(self.directory, "variables.fd")
            shutil.copyfile("/usr/share/OVMF/OVMF_VARS_4M.fd", variables)
            command += ["-drive", "if=pflash,format=raw,readonly=on,"
                                  "file=/usr/share/OVMF/OVMF_CODE_4M.fd",
                        "-drive", f"if=pflash,format=raw,file={variables}"]
        else:
            # The option sets RAM after each reset, before the BIOS runs.
            command += ["-drive", f"if=ide,format=raw,snapshot=on,file={STUB_IMAGE}",
                        "-device", f"loader,file={os.path.abspath(self.bundle)},"
                                   f"addr={BUNDLE_ADDRESS:#x},force-raw=on"]
        if self.disk:
            path = os.path.abspath(self.disk)
            path = f"fat:{path}" if os.path.isdir(path) else path
            command += ["-drive", f"if=none,id=disk,format=raw,snapshot=on,file={path}",
                        "-device", "virtio-blk-pci,drive=disk"]
        return command + self.extra

    # Ending

    def wait(self, timeout=60):
        """Wait until the run ends by itself; after `timeout` seconds end it. Returns the Ending."""
        if self.ending is None:
            try:
                self._process.wait(timeout)
                self._drain()
                seconds = time.monotonic() - self._started
                explain = self._qemu_ending if self.emulator == "qemu" else self._bochs_ending
                self.ending = Ending(*explain(self._process.returncode), seconds)
            except subprocess.TimeoutExpired:
                self._kill()
                self.ending = Ending("timeout", f"still running after {timeout} s",
                                     time.monotonic() - self._started)
        return self.ending

    def running(self):
        return self._process is not None and self._process.poll() is None

    def _drain(self):
        """The sockets are at their end once the emulator is gone, but the pump may be behind."""
        for serial in self.com:
            serial.wait_end(5)

    def _bochs_ending(self, status):
        log = file_text(self._log("bochs.log")) + file_text(self._log("emulator.log"))
        panics = re.findall(r"\[(\w*)\s*\] >>PANIC<< (.*)", log)
        if not panics:
            return ("done", "") if status == 0 else ("died", self._status_text(status))
        source, text = panics[0]
        if "exception with no resolution" in text:
            return "triple-fault", text
        if "shutdown" in text.lower() or "power off" in text.lower():
            return "shutdown", text
        return "panic", f"{source}: {text}"

    def _qemu_ending(self, status):
        if status == (ord("D") << 1 | 1):
            return "done", ""
        if status == (ord("S") << 1 | 1):
            return "shutdown", f"by port {END_PORT:#x}"
        for line in bytes(self._qmp_output).splitlines():
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                reason = event["data"]["reason"]
                return ("reset" if reason == "guest-reset" else "shutdown"), reason
        return "died", self._status_text(status)

    def _status_text(self, status):
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"{how}: {self._complaints()}"

    def _kill(self):
        if self._process and self._process.poll() is None:
            self._process.kill()
        if self._process:
            self._process.wait()

    def close(self):
        """End the run if it has not, and remove everything but the logs that stay."""
        if self.running() and self.ending is None:
            self.ending = Ending("stopped", "", time.monotonic() - self._started)
        self._kill()
        if self._pump and self._pump.is_alive():
            self._pump.stop()
        for serial in self.com:
            serial.close()
        for one in self._sockets:
            one.close()
        self._sockets = []
        if getattr(self, "directory", None):
            shutil.rmtree(self.directory, ignore_errors=True)


# The program

QUIT_KEY = b"\x01"  # Ctrl-A


class Terminal:
    """The user's terminal on a serial port: Ctrl-A x quits, Ctrl-A Ctrl-A types Ctrl-A."""

    def __init__(self, machine):
        self.machine = machine
        self.serial = machine.com[0]
        self.prefix = False

    def run(self):
        """Returns when the machine has ended (True) or the user quits (False)."""
        saved = termios.tcgetattr(0) if os.isatty(0) else None
        output = threading.Thread(target=self._show, daemon=True)
        output.start()
        try:
            if saved:
                tty.setraw(0)
            ended = self._type(output)
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
        return ended

    def _show(self):
        while True:
            data = self.serial.take(65536, None)
            if not data:
                return
            os.write(1, data)

    def _type(self, output):
        watched = [0]
        while output.is_alive():
            if not select.select(watched, [], [], 0.1)[0]:
                continue
            data = os.read(0, 1024)
            if not data:
                watched = []  # no more input; the machine goes on
            elif not self._keys(data):
                return False
        return True

    def _keys(self, data):
        """Send what was typed. False when it asks to quit."""
        send = b""
        for key in (data[i:i + 1] for i in range(len(data))):
            if self.prefix:
                self.prefix = False
                if key in b"xX":
                    return False
                send += key if key == QUIT_KEY else QUIT_KEY + key
            elif key == QUIT_KEY:
                self.prefix = True
            else:
                send += key
        if send:
            try:
                self.serial.send(send)
            except EOF:
                pass
        return True


def options_parse():
    parser = argparse.ArgumentParser(
        description="run an emulated PC", epilog="Status: 0 when the run ended by port 0x8900 'D' (or, "
        "with --console, in any orderly way), 3 after --timeout, 4 when it did not start, else 1.")
    parser.add_argument("--emulator", choices=("bochs", "qemu"), default="bochs")
    parser.add_argument("--firmware", choices=("stub", "uefi"), default="stub")
    parser.add_argument("--disk", help="image file, or directory to be shown as a FAT volume")
    parser.add_argument("--bundle", help="file made by tools/mkbundle.py, for --firmware stub")
    parser.add_argument("--model", help="CPU model; for Bochs one of " + ", ".join(BOCHS_MODELS))
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--memory", type=int, default=512, metavar="MIB")
    parser.add_argument("--ips", type=int, default=10_000_000)
    parser.add_argument("--com-ports", type=int, default=1)
    parser.add_argument("--lax-msrs", action="store_true", help="unknown MSRs read as 0 in Bochs")
    parser.add_argument("--kvm", action="store_true", help="QEMU with KVM")
    parser.add_argument("--now", action="store_true", help="start with the present time, not a fixed one")
    parser.add_argument("--extra", action="append", default=[], metavar="LINE",
                        help="one more line of bochsrc, or one more argument of QEMU")
    parser.add_argument("--logs", metavar="DIR", help="keep the logs there")
    parser.add_argument("--timeout", type=float, default=60, metavar="S",
                        help="end the run after so many seconds (default: 60); not with --console")
    parser.add_argument("--console", action="store_true", help="connect this terminal to COM1")
    return parser.parse_args()


def run(options):
    machine = Machine(
        emulator=options.emulator, firmware=options.firmware, disk=options.disk, bundle=options.bundle,
        cpus=options.cpus, memory_mib=options.memory, model=options.model, ips=options.ips,
        com_ports=options.com_ports, strict_msrs=not options.lax_msrs, kvm=options.kvm,
        reboot=options.console, extra=options.extra, logs=options.logs,
        **({"time_s": int(time.time())} if options.now else {}))
    with machine:
        if options.console:
            print("[The machine's first serial port. Ctrl-A x ends the machine, Ctrl-A Ctrl-A types "
                  "Ctrl-A.]", flush=True)
            if not Terminal(machine).run():
                print("\n[machine ended by Ctrl-A x]")
                return 0
            ending = machine.wait(10)
        else:
            ending = machine.wait(options.timeout)
            sys.stdout.write(machine.com[0].output())
        print(f"\n[machine: {ending}]", file=sys.stderr)
    if options.console and ending.kind in ("done", "shutdown"):
        return 0
    return {"done": 0, "timeout": 3}.get(ending.kind, 1)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):  # clean up then, too
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(run(options_parse()))
    except MachineError as error:
        print(f"machine: {error}", file=sys.stderr)
        sys.exit(4)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
