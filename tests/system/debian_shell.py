# SPDX-License-Identifier: MIT
"""Debian in a partition of that name, used as a person would: to its shell, and a command there."""
SHELL = "debian:/# "


def boot(host, starts=1, seconds=150):
    """To the shell of this start: what earlier ones printed is shown first."""
    host.attach("debian")
    for _ in range(starts):
        host.expect("Debian guest is up: Linux ", seconds)
    host.expect(SHELL, seconds)


def shell(host, command, seconds=60):
    """What it prints. What is typed must fit one line of the terminal."""
    host.send(command + "\r")
    host.expect(r"\r\n")
    host.expect(SHELL, seconds)
    return host.serial.before
