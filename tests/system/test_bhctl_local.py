# SPDX-License-Identifier: MIT
"""bhctl against a Bulkhead without a machine (bhctl_peer.c), on good lines and bad ones."""
import json
import os
import pty
import socket
import stat
import subprocess
import threading
import tty

import pexpect
import pytest
from host import BUILD

BUILT = os.environ.get("BULKHEAD_BUILD", BUILD)
BHCTL = os.path.join(BUILT, "bhctl")
PEER = os.path.join(BUILT, "bhctl-peer")
DUMP_BYTES = 3 * 1024 * 1024 + 123  # as FAKE_DUMP_BYTES
TRACE_RECORDS = 2 * 2900            # of two CPUs, without those that are overwritten
PATIENT = ["-t", "1", "-r", "50"]   # for bad lines
BAD_LINE = ["--noise", "5000", "--chatter", "--echo"]


class Peer:
    def __init__(self, directory, *options):
        self.path = os.path.join(directory, "line")
        self.log = open(os.path.join(directory, "typed"), "w+b")
        self.process = subprocess.Popen([PEER, *options, self.path], stdout=self.log)
        while not os.path.exists(self.path):
            assert self.process.poll() is None

    def run(self, *words, given=b""):
        return subprocess.run([BHCTL, "-s", self.path, *words], input=given, capture_output=True, timeout=60)

    def spawn(self, *words):
        return pexpect.spawn(BHCTL, ["-s", self.path, *words], timeout=20, dimensions=(24, 100))

    def typed(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def peer(tmp_path):
    made = []

    def make(*options):
        made.append(Peer(str(tmp_path), *options))
        return made[0]

    yield make
    for one in made:
        one.close()


def left(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


# --- commands and exit codes ---


def test_commands_are_passed(peer):
    line = peer()
    run = line.run("list")
    assert run.returncode == 0 and run.stderr == b""
    assert run.stdout == b"NAME  STATE\nweb   running\ndb    crashed\n"
    assert json.loads(line.run("--json", "list").stdout) == {"partitions": [{"name": "web"}]}
    assert line.run("pause", "web").stdout == b"web: paused\n"
    assert line.run("list").stdout.splitlines()[1] == b"web   paused"
    assert line.typed() == b""


def test_a_failed_command_exits_1(peer):
    run = peer().run("lst")
    assert run.returncode == 1
    assert (run.stdout, run.stderr) == (b"", b'no command "lst"\n')


def test_misuse_exits_2(peer):
    line = peer()
    environment = {name: value for name, value in os.environ.items() if name != "BULKHEAD_LINE"}
    for words in ([], ["list"], ["--nonsense", "list"], ["-t", "0", "list"], ["-t", "2x", "list"]):
        run = subprocess.run([BHCTL, *words], env=environment, capture_output=True, timeout=20)
        assert run.returncode == 2 and b"bhctl" in run.stderr, words
    for words in (["attach"], ["dump", "db"], ["dump", "db", "x", "--nonsense"], ["wait", "web"],
                  ["wait", "web", "runing"], ["wait", "web", "running", "--timeout", "-1"], ["trace"],
                  ["trace", "a", "b"], ["top", "web"], ["top", "--interval"], ["shell", "x"]):
        run = line.run(*words)
        assert run.returncode == 2 and run.stderr and not run.stdout, words


def test_no_line_exits_3(peer, tmp_path):
    line = peer("--mute")
    (tmp_path / "file").write_text("")
    for name in (str(tmp_path / "none"), "unix:" + str(tmp_path / "none"), "tcp:127.0.0.1:1", "tcp:x",
                 "tty:/dev/null", "tty:/dev/null,115201", "nonsense", str(tmp_path / "file")):
        run = subprocess.run([BHCTL, "-s", name, "list"], capture_output=True, timeout=20)
        assert run.returncode == 3 and name.encode() in run.stderr, name
    run = line.run("-t", "1", "-r", "1", "list")
    assert run.returncode == 3 and b"no Bulkhead answers" in run.stderr


def test_hopeless_lines_exit_4(peer):
    run = peer("--noise", "12").run("-t", "1", "-r", "3", "list")
    assert run.returncode == 4 and b"damages" in run.stderr


def test_the_environment_names_the_line(peer):
    environment = dict(os.environ, BULKHEAD_LINE=peer().path)
    assert subprocess.run([BHCTL, "list"], env=environment, capture_output=True, timeout=20).returncode == 0


def test_the_end_of_the_machine_is_no_failure(peer):
    line = peer()
    run = line.run("-t", "1", "-r", "1", "reboot", "now")
    assert run.returncode == 0 and b"no answer any more" in run.stderr
    line.process.kill()


def test_power_off_is_no_failure(peer):
    assert peer().run("poweroff", "now").returncode == 0


# --- bad lines ---


def test_long_answers_survive_noise(peer):
    expected = b"".join((b"\n" if i % 64 == 63 else bytes([97 + i // 64 % 26])) for i in range(100000))
    run = peer(*BAD_LINE).run(*PATIENT, "big")
    assert run.returncode == 0, run.stderr
    assert run.stdout.rstrip(b"\n") == expected.rstrip(b"\n")


def test_nothing_is_done_twice(peer):
    """Every command is carried out exactly once, however often its frames are lost."""
    line = peer("--noise", "150", "--chatter")
    script = b"count\n" * 30
    run = line.run(*PATIENT, "shell", given=script)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split(b"\n")[:-1] == [b"command %d" % (i + 1) for i in range(30)]


# --- dump ---


def dump_expected():
    data = bytearray(DUMP_BYTES)
    for page in range(3, DUMP_BYTES // 4096 + 1, 16):
        for offset in range(page * 4096, min(page * 4096 + 4096, DUMP_BYTES)):
            data[offset] = (offset * 2654435761 >> 13) & 0xff
    for offset in range(DUMP_BYTES - 100, DUMP_BYTES):
        data[offset] = (offset * 2654435761 >> 13) & 0xff
    data[:4] = b"\x7fELF"
    return bytes(data)


@pytest.mark.parametrize("options", [[], BAD_LINE])
def test_dump(peer, tmp_path, options):
    target = tmp_path / "core.elf"
    run = peer(*options).run(*PATIENT, "dump", "db", str(target))
    assert run.returncode == 0, run.stderr
    assert target.read_bytes() == dump_expected()
    status = target.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_blocks * 512 < DUMP_BYTES / 4  # zeros are holes
    assert not (tmp_path / "core.elf.part").exists()


def test_dump_does_not_overwrite(peer, tmp_path):
    line = peer()
    target = tmp_path / "core.elf"
    target.write_text("precious")
    run = line.run("dump", "db", str(target))
    assert run.returncode == 1 and b"--force" in run.stderr
    assert target.read_text() == "precious"
    run = line.run("dump", "web", str(target), "--force")  # it runs
    assert run.returncode == 1 and b"cannot dump web: it is running" in run.stderr
    assert target.read_text() == "precious"
    assert line.run("dump", "db", str(target), "--force").returncode == 0
    assert target.stat().st_size == DUMP_BYTES
    run = line.run("dump", "db", str(tmp_path / "none" / "core.elf"))
    assert run.returncode == 1 and b"No such file" in run.stderr
    assert sorted(os.listdir(tmp_path)) == ["core.elf", "line", "typed"]


def test_dump_shows_how_far_it_is(peer, tmp_path):
    child = peer().spawn("dump", "db", str(tmp_path / "core.elf"))
    child.expect(r"db \[#+\] 100 %  3072 of 3073 KiB")
    assert left(child) == 0


# --- trace ---


@pytest.mark.parametrize("options", [[], BAD_LINE])
def test_trace(peer, tmp_path, options):
    target = tmp_path / "trace.json"
    run = peer(*options).run(*PATIENT, "trace", str(target))
    assert run.returncode == 0, run.stderr
    assert b"%d records of 2 CPUs" % TRACE_RECORDS in run.stdout
    events = json.loads(target.read_text())["traceEvents"]
    names = {(e["name"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M" and "name" in e["args"]}
    assert names[("thread_name", 1)] == "CPU 1"
    assert names[("process_name", 0)] == "Bulkhead 1.2.3-test"
    for cpu, who in ((0, "web/0"), (1, "db/0")):
        slices_check([e for e in events if e["ph"] == "X" and e["tid"] == cpu], who)
    marks = [e for e in events if e["ph"] == "i"]
    assert len(marks) == 2 * sum(i % 8 in (3, 5, 7) for i in range(100, 3000))  # as fake_record makes them
    assert {e["name"] for e in marks} == {"inject 0x1", "interrupt 0xec", "wake web/0", "wake db/0", "wake idle"}
    times = [e["ts"] for e in events if "ts" in e]  # the first record, at 0, shows nothing
    assert min(times) == 1 and max(times) == pytest.approx(2899.007)


def slices_check(slices, who):
    """Those of one CPU: names are known, and each is inside another or beside it."""
    assert {e["name"] for e in slices} == {who, "HLT"}
    assert {e["cat"] for e in slices} == {"run", "exit"}
    enclosing = []
    for e in sorted(slices, key=lambda e: (e["ts"], -e["dur"])):
        begin, end = e["ts"], e["ts"] + e["dur"]
        assert e["dur"] >= 0
        while enclosing and enclosing[-1] <= begin + 1e-6:
            enclosing.pop()
        assert not enclosing or end <= enclosing[-1] + 1e-6
        enclosing.append(end)


def test_trace_for_some_time(peer, tmp_path):
    line = peer()
    assert line.run("trace", "on").stdout == b"trace: on\n"
    target = tmp_path / "trace.json"
    assert line.run("trace", str(target), "--seconds", "1").returncode == 0
    assert line.run("trace", str(target)).returncode == 1
    assert line.run("trace", str(target), "--force").returncode == 0


# --- terminals ---


@pytest.mark.parametrize("options", [[], ["--noise", "1500", "--chatter"]])
def test_attach(peer, options):
    child = peer(*options).spawn(*PATIENT, "attach", "web")
    child.expect_exact("[attached to web; Ctrl-] leaves]")
    child.expect_exact("web login: ")
    child.send("root and more than five bytes \x03\xfe\xff")
    child.expect_exact(b"root and more than five bytes \x03\xc3\xbe\xc3\xbf")
    child.send("\x1d")
    child.expect_exact("[left web]")
    assert left(child) == 0


def test_attach_from_a_script(peer):
    line = peer()
    run = line.run("attach", "web", given=b"root\x1d\n" * 100)
    assert run.returncode == 0
    assert run.stdout == b"web login: " + b"root\x1d\n" * 100
    assert line.run("attach", "web", "--new", given=b"").stdout == b""
    run = line.run("attach", "wbe")
    assert run.returncode == 1 and run.stderr == b'no partition "wbe"; there are: web, db\n'


def test_attach_to_what_does_not_run(peer):
    child = peer().spawn("attach", "db")
    child.expect_exact("[db does not run; Ctrl-] leaves: triple fault at rip 0x100075]")
    child.send("lost\x1d")
    assert left(child) == 0


def test_top(peer):
    line = peer()
    run = line.run("top", "--count", "1")
    assert run.returncode == 0
    assert b"up 1d 1:01:01" in run.stdout and b"0:  25.1%" in run.stdout
    web = [row for row in run.stdout.splitlines() if row.startswith(b"web")][0].split()
    assert web == b"web running 1 50.1 1.5 0.0 0.0 48.4 2.5ms/10ms 100 50% 1234 56".split()
    child = line.spawn("top")
    for _ in range(2):
        child.expect_exact("q leaves")
        child.expect("web +running")
    child.send("q")
    assert left(child) == 0


def test_shell(peer):
    child = peer().spawn("shell")
    child.expect_exact("Bulkhead 1.2.3-test")
    child.expect_exact("bhctl> ")
    child.send("list\r")
    child.expect("web +running")
    child.expect_exact("bhctl> ")
    child.send("wait db crashed\r")
    child.expect_exact("bhctl> ")
    child.send("\x1b[A\x1b[A\r")  # two lines back
    child.expect("web +running")
    child.expect_exact("bhctl> ")
    child.send("exit\r")
    assert left(child) == 0


def test_shell_exits_as_its_last_command(peer):
    line = peer()
    assert line.run("shell", given=b"lst\nlist\n\n").returncode == 0
    assert line.run("shell", given=b"list\nlst\n").returncode == 1


def test_wait(peer):
    line = peer()
    assert line.run("wait", "web", "running").returncode == 0
    assert line.run("wait", "nobody", "gone").returncode == 0
    assert line.run("wait", "nobody", "running").returncode == 1
    run = line.run("wait", "web", "stopped", "--timeout", "0")
    assert run.returncode == 1 and b"web is still running" in run.stderr


# --- other lines ---


def forward(source, target):
    while True:
        try:
            data = source()
        except OSError:
            return
        if not data:
            return
        target(data)


def join(path, read, write):
    """Bytes between the peer and another kind of line."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    for source, target in ((read, line.sendall), (lambda: line.recv(4096), write)):
        threading.Thread(target=forward, args=(source, target), daemon=True).start()
    return line


def test_serial_devices(peer):
    controller, device = pty.openpty()
    tty.setraw(device)
    name = os.ttyname(device)
    with join(peer().path, lambda: os.read(controller, 4096), lambda data: os.write(controller, data)):
        for form in (f"tty:{name}", f"tty:{name},9600", f"pty:{name}", name):
            run = subprocess.run([BHCTL, "-s", form, "list"], capture_output=True, timeout=20)
            assert run.returncode == 0, (form, run.stderr)
        holder = subprocess.Popen(["flock", name, "sleep", "20"])
        try:
            while subprocess.run(["flock", "-n", name, "true"], check=False).returncode == 0:
                pass
            run = subprocess.run([BHCTL, "-s", name, "list"], capture_output=True, timeout=20)
            assert run.returncode == 3 and b"another program uses it" in run.stderr
        finally:
            holder.kill()
            holder.wait()
    os.close(controller)
    os.close(device)


def test_tcp(peer):
    path = peer().path
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run = subprocess.Popen([BHCTL, "-s", f"tcp:127.0.0.1:{port}", "list"], stdout=subprocess.PIPE)
        client, _ = server.accept()
        with client, join(path, lambda: client.recv(4096), client.sendall):
            assert b"running" in run.communicate(timeout=20)[0]
            assert run.returncode == 0
