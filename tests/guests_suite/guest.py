# SPDX-License-Identifier: MIT
"""A partition that starts what `make test-guests` has fetched."""
import os

from host import BUILD, Partition


def guest(name, boot, kernel, *lines, memory="16M", **files):
    """A partition with files of build/guests: `kernel`, and others by the key that names them."""
    files = {"kernel": kernel, **files}
    lines = [f"memory = {memory}", f"boot = {boot}", *lines,
             *(f"{key} = \\guests\\{file}" for key, file in files.items())]
    return Partition(name, lines, {f"\\guests\\{file}": os.path.join(BUILD, "guests", file)
                                   for file in files.values()})
