# SPDX-License-Identifier: MIT
"""The serial ports of tools/machine.py's machines: sockets that the emulator connects to, read by a
thread of their own."""
import os
import selectors
import socket
import sys
import threading

try:
    from pexpect import EOF, TIMEOUT
    from pexpect.spawnbase import SpawnBase
except ImportError:
    sys.exit("machine: the Python module pexpect is missing; install Debian's python3-pexpect")


class Serial(SpawnBase):
    """A serial port of a machine as a pexpect object. All output is in the file `log_path` as soon as
    it comes, whether anybody waits for it or not."""

    def __init__(self, name, log_path):
        super().__init__(timeout=30, maxread=65536, encoding="latin-1", codec_errors="strict")
        self.name = name
        self.log_path = log_path
        self._log = open(log_path, "wb", buffering=0)
        self._arrived = threading.Condition()
        self._pending = bytearray()
        self._ended = False
        self._socket = None
        self.closed = False

    def attach(self, connection):
        self._socket = connection

    def feed(self, data):
        """The machine's thread brings output; b'' ends it."""
        with self._arrived:
            if data:
                self._log.write(data)
                self._pending += data
            else:
                self._ended = True
            self._arrived.notify_all()

    def wait_end(self, timeout):
        """Wait until all output has come from a machine that has ended."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._ended, timeout)

    def take(self, size, timeout):
        """Up to `size` bytes as soon as there are any; None when none came in time, b'' at the end."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._pending or self._ended, timeout)
            data = bytes(self._pending[:size])
            del self._pending[:size]
            return data if data or self._ended else None

    def read_nonblocking(self, size=1, timeout=-1):
        data = self.take(size, self.timeout if timeout == -1 else timeout)
        if data is None:
            raise TIMEOUT("nothing came in time")
        if not data:
            self.flag_eof = True
            raise EOF("the machine has ended")
        text = self._decoder.decode(data, final=False)
        self._log_text(text)
        return text

    def _log_text(self, text):
        for file in (self.logfile, self.logfile_read):
            if file is not None:
                file.write(text)
                file.flush()

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise EOF(f"the machine has ended: {error}") from error
        return len(data)

    def write(self, text):
        self.send(text)

    def sendline(self, text=""):
        """Enter is a carriage return on a terminal."""
        return self.send(text + "\r")

    def isalive(self):
        return not self._ended

    def fileno(self):
        return self._socket.fileno()

    def output(self):
        """Everything that came so far."""
        with open(self.log_path, "rb") as file:
            return file.read().decode("latin-1")

    def close(self):
        self.feed(b"")
        self._log.close()
        self.closed = True


class Pump(threading.Thread):
    """Moves what arrives on sockets to their receivers, so that no emulator waits for its reader."""

    def __init__(self):
        super().__init__(daemon=True)
        self._selector = selectors.DefaultSelector()
        self._stop_read, self._stop_write = os.pipe()
        self._selector.register(self._stop_read, selectors.EVENT_READ, None)

    def add(self, connection, feed):
        self._selector.register(connection, selectors.EVENT_READ, feed)

    def run(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                key.data(data)
                if not data:
                    self._selector.unregister(key.fileobj)

    def stop(self):
        os.write(self._stop_write, b"x")
        self.join()
        self._selector.close()
        os.close(self._stop_read)
        os.close(self._stop_write)


def listen():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return listener


def port_of(listener):
    return listener.getsockname()[1]
