# SPDX-License-Identifier: MIT
"""A machine with Bulkhead on it, as the tests use it: what partitions it has, its console, its log."""
import collections
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import select
import socket
import struct
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
CACHE = os.path.join(BUILD, "system")
VOLUME = os.path.join(BUILD, "esp")
sys.path.insert(0, os.path.join(ROOT, "tools"))
from machine import Machine
from mkbundle import PADDING, bundle_make, file_read

PROMPT = "bulkhead> "
LEAVE = "\x1d"
LOG_LINE = re.compile(r"^\[ *(\d+\.\d{6})\] (error|warn|info|debug) +cpu(\d+) +(.*)$")
LogLine = collections.namedtuple("LogLine", "seconds level cpu text")
Row = collections.namedtuple("Row", "state cpu memory uptime starts reason")

PARAMETERS_MARK = struct.pack("<Q", 0x53524554454D4152)  # tests/guests/parameters.h

ROUND = 1000            # instructions, as tests/guests/count.c has it
TIMES = ("run_us", "exit_us", "ready_us", "blocked_us", "capped_us", "paused_us")
TIMES_ERROR = 0.001     # of wall time

DEBIAN_FILES = {
    "\\bulkhead\\debian\\vmlinuz": os.path.join(BUILD, "guests/debian.vmlinuz"),
    "\\bulkhead\\debian\\initrd.gz": os.path.join(BUILD, "guests/debian.initrd.gz"),
}


class Partition:
    """A section of the configuration, and the files that it needs."""

    def __init__(self, name, lines, files, autostart=False):
        self.name = name
        self.files = files
        self.text = f"[partition {name}]\n" + "\n".join(lines) + "\n"
        self.text += f"autostart = {'yes' if autostart else 'no'}\n\n"


class Example:
    """What examples/NAME.conf has besides [host], with the files that `make image` puts on the volume."""

    def __init__(self, name):
        with open(os.path.join(ROOT, f"examples/{name}.conf"), encoding="utf-8") as file:
            self.text = re.split(r"^(?=\[partition)", file.read(), maxsplit=1, flags=re.M)[1]
        paths = set(re.findall(r"^(?:kernel|initrd) *= *(\S+)$", self.text, re.M))
        self.files = {path: VOLUME + path.replace("\\", "/") for path in paths}


class Group:
    """A group's section, for the list of partitions."""

    def __init__(self, name, *lines):
        self.files = {}
        self.text = f"[group {name}]\n" + "\n".join(lines) + "\n\n"


def payload(name, file=None, memory="16M", autostart=False, lines=()):
    """One of tests/guests, and more lines for its section."""
    file = file or name
    entry = {"hello16": "real", "hello32": "protected"}.get(file, "long")
    path = f"\\guests\\{file}.bin"
    lines = [f"memory = {memory}", "boot = raw", f"kernel = {path}", f"entry = {entry}",
             f"load = {'0x7c00' if entry == 'real' else '1M'}", *lines]
    return Partition(name, lines, {path: os.path.join(BUILD, f"guests/{file}.bin")}, autostart)


def with_parameters(file, *values):
    """The path of one of tests/guests that has these parameters (tests/guests/parameters.h) instead of its own."""
    image = file_read(os.path.join(BUILD, f"guests/{file}.bin"))
    at = image.index(PARAMETERS_MARK) + len(PARAMETERS_MARK)
    words = struct.pack(f"<{len(values)}Q", *values)
    return cached("-".join([file, *map(str, values)]) + ".bin", image[:at] + words + image[at + len(words):])


def tiny(name, file=None, *lines, memory="2M", autostart=True):
    """The same in the smallest partition that there is, started by itself."""
    return payload(name, file, memory, autostart, lines)


def debian(name="debian", memory="256M", autostart=True, lines=(), kernel=""):
    """Debian's kernel; `kernel` is more for its command line."""
    lines = [f"memory = {memory}", "boot = linux", "kernel = \\bulkhead\\debian\\vmlinuz",
             "initrd = \\bulkhead\\debian\\initrd.gz",
             f"cmdline = console=ttyS0 quiet nokaslr cryptomgr.notests {kernel}", *lines]
    return Partition(name, lines, DEBIAN_FILES, autostart)


def config_text(partitions, host_lines=()):
    return "[host]\n" + "\n".join(host_lines) + "\n\n" + "".join(p.text for p in partitions)


def cached(name, data):
    """The path of a file of that name and content. Others may be making or reading the same one just now."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, name)
    with tempfile.NamedTemporaryFile(dir=CACHE, delete=False) as new:
        new.write(data)
    os.replace(new.name, path)
    return path


def bundle_path(partitions, host_lines):
    """The bundle's file: made once for the same content."""
    core = file_read(os.path.join(BUILD, "core.bin"))
    config = config_text(partitions, host_lines).encode()
    files = {name: file_read(path) for p in partitions for name, path in p.files.items()}
    digest = hashlib.sha256(core + config)
    for name, data in sorted(files.items()):
        digest.update(name.encode() + data)
    name = digest.hexdigest()[:24] + ".bundle"
    path = os.path.join(CACHE, name)
    return path if os.path.exists(path) else cached(name, bytes(PADDING) + bundle_make(core, config, files))


class Host:
    """Started with `with`; then the console's prompt is there. Keywords are those of Machine."""

    def __init__(self, partitions, host_lines=(), **machine):
        machine = {"ips": 50_000_000, "firmware": "stub", **machine}
        if machine["firmware"] == "stub":
            machine["bundle"] = bundle_path(partitions, host_lines)
        self.machine = Machine(**machine)

    def __enter__(self):
        self.machine.start()
        self.serial = self.machine.com[0]
        try:
            if self.machine.firmware == "stub":
                self.greeted(60)
        except BaseException:
            self.machine.close()
            raise
        return self

    def __exit__(self, *_):
        self.machine.close()

    def greeted(self, timeout):
        self.expect(r'"help" lists the commands\.', timeout)
        self.expect(PROMPT, timeout)

    def expect(self, pattern, timeout=30):
        """Wait for one of `pattern` in what the line shows; the match."""
        try:
            self.serial.expect(pattern, timeout=timeout)
        except Exception as error:
            shown = self.serial.output()[-4000:]
            raise AssertionError(f"{pattern!r} did not come within {timeout} s; the line "
                                 f"ends with:\n{shown}") from error
        return self.serial.match

    def send(self, text):
        self.serial.send(text)

    def command(self, text, timeout=30):
        """Type a command; the lines of its answer, without those of the log that came with it."""
        self.send(text + "\r")
        self.expect(re.escape(text) + "\r\n", timeout)
        answer = ""
        while not answer.endswith(PROMPT):
            self.expect(PROMPT, timeout)
            answer += self.serial.before + PROMPT
        lines = [line.rstrip("\r") for line in answer[:-len(PROMPT)].split("\n")]
        return [line for line in lines if line and not LOG_LINE.match(line)]

    def query(self, text, timeout=30):
        """What a command answers to programs."""
        lines = self.command(f"{text} --json", timeout)
        assert len(lines) == 1, f"{text}: not one line but {lines}"
        return json.loads(lines[0])

    def good(self, text, timeout=30):
        """The same of a command that must not fail."""
        answer = self.query(text, timeout)
        assert "error" not in answer, f"{text}: {answer['error']}"
        return answer

    def states(self):
        """The rows of `list` by name, all keys of each."""
        return {row["name"]: row for row in self.good("list")["partitions"]}

    def until_state(self, name, state, seconds=10):
        """Ask until the partition is in a state, for some emulated seconds; its row."""
        limit = self.now_us() + 1_000_000 * seconds
        while True:
            row = self.states()[name]
            if row["state"] == state:
                return row
            assert self.now_us() < limit, f"{name} does not become {state}: {row}"

    def now_us(self):
        """The emulated machine's clock."""
        return self.good("uptime")["uptime"]["uptime_us"]

    def answer_us(self):
        """The longest time from an answer to the next, of questions that are typed at once: that one was
        read, carried out and answered."""
        questions = 5
        self.send("uptime --json\r" * questions)
        stamps = [int(self.expect(r'"uptime_us": ?(\d+)\}')[1]) for _ in range(questions)]
        self.expect(PROMPT)
        return max(later - earlier for earlier, later in zip(stamps, stamps[1:]))

    def sleep(self, seconds):
        """Let emulated time pass. What is asked meanwhile costs the first CPU a little."""
        limit = self.now_us() + 1_000_000 * seconds
        while self.now_us() < limit:
            pass

    def printed(self, name):
        """What is kept of a partition's output."""
        return self.good(f"console {name}", 60)["text"].replace("\r\n", "\n")

    def work(self, name):
        """What a partition with the payload `count` did, in rounds, by seconds of its own time."""
        return {int(second): int(rounds)
                for second, rounds in re.findall(r"^(\d+) s: (\d+)$", self.printed(name), re.M)}

    def work_until(self, name, second, timeout=120):
        """Wait, with nothing said on the line meanwhile but what this partition prints, until it has
        done the work of a second; work()."""
        self.guest(name, rf"\b{second} s: \d+\r\n", timeout)
        return self.work(name)

    def times(self):
        """Where the time of each vCPU went; that it adds up to wall time is checked on the way."""
        rows = {row["vcpu"]: row for row in self.good("stats")["times"]}
        for name, row in rows.items():
            total = sum(row[key] for key in TIMES)
            assert abs(total - row["wall_us"]) <= TIMES_ERROR * row["wall_us"] + len(TIMES), \
                f"{name}: {total} us of {row['wall_us']} us are accounted for: {row}"
        return rows

    @contextlib.contextmanager
    def bridge(self):
        """The console's line as a Unix socket, for the host tool: the socket's path. Nothing else may
        use the line meanwhile."""
        path = os.path.join(self.machine.directory, "line")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            ended = threading.Event()
            relay = threading.Thread(target=self._relay, args=(listener, ended), daemon=True)
            relay.start()
            try:
                yield path
            finally:
                ended.set()
                relay.join()
        os.unlink(path)

    def _relay(self, listener, ended):
        while not ended.is_set():
            if not select.select([listener], [], [], 0.1)[0]:
                continue
            with listener.accept()[0] as client:
                while not ended.is_set() and self._relay_some(client):
                    pass

    def _relay_some(self, client):
        """Both ways, what there is; false when the client has left."""
        data = self.serial.take(65536, 0.005)
        try:
            if data:
                client.sendall(data)
            if select.select([client], [], [], 0)[0]:
                data = client.recv(4096)
                if not data:
                    return False
                self.serial.send(data)
        except OSError:
            return False
        return True

    def list(self):
        """The rows of `list` by name."""
        rows = {}
        last = None
        for line in self.command("list")[1:]:
            if line.startswith(" "):
                rows[last] = rows[last]._replace(reason=line.strip())
                continue
            last, state, cpu, memory, uptime, starts = line.split()
            rows[last] = Row(state, int(cpu) if cpu.isdigit() else cpu, memory, uptime, int(starts), "")
        return rows

    def log(self):
        lines = []
        self.send("log\r")
        self.expect(r"log\r\n")
        self.expect(PROMPT)
        for line in self.serial.before.split("\n"):
            match = LOG_LINE.match(line.rstrip("\r"))
            if match:
                lines.append(LogLine(float(match[1]), match[2], int(match[3]), match[4]))
        return lines

    def attach(self, name):
        self.send(f"attach {name}\r")
        self.expect(re.escape(f"[attached to {name}; Ctrl-] leaves]\r\n"))

    def detach(self):
        self.send(LEAVE)
        self.expect(r"\x1b\[m\r\n")
        self.expect(PROMPT)

    def guest(self, name, pattern, timeout=60):
        """Attach, wait for `pattern` in what the guest prints, detach. All that it printed."""
        self.attach(name)
        match = self.expect(pattern, timeout)
        text = self.serial.before + match[0]
        self.detach()
        return text

    def run(self, name, pattern, timeout=60):
        """Start a partition and wait for `pattern` in its output."""
        assert self.command(f"start {name}") == [f"{name}: starting"]
        return self.guest(name, pattern, timeout)

    def until(self, name, state, tries=50):
        """Ask until the partition is in a state; its row."""
        for _ in range(tries):
            row = self.list()[name]
            if row.state == state:
                return row
        raise AssertionError(f"{name} does not become {state}: {row}")

    def expect_starts(self, name, starts, tries=400):
        """Ask until the partition runs for the so-manieth time."""
        for _ in range(tries):
            row = self.list()[name]
            if (row.state, row.starts) == ("running", starts):
                return
        raise AssertionError(f"{name} does not run for the time {starts}: {row}")


def selected(request, parameter):
    """The values of a parameter among the tests of this module that are to run, each once."""
    items = [item for item in request.session.items
             if item.module is request.module and hasattr(item, "callspec")]
    return list(dict.fromkeys(item.callspec.params[parameter] for item in items
                              if parameter in item.callspec.params))


def in_parallel(function, items, workers=2):
    """Call `function` for each item, two at a time. A function that gives an item's result, or raises
    what it raised, when that is asked for."""
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    futures = {item: pool.submit(function, item) for item in items}
    pool.shutdown(wait=False)
    return lambda item: futures[item].result()
