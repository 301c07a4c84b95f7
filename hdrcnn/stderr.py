"""Lines that a library writes to the process's stderr by itself, kept from the user.

Some libraries written in C and C++ print what they also report. Only the descriptor can be led
elsewhere, for the whole process: one thread at a time does it, under `LOCK`.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

LOCK = threading.RLock()
"""Held by the thread for which stderr, that of the whole process, leads elsewhere."""


@contextlib.contextmanager
def without(pattern: re.Pattern[bytes]) -> Iterator[list[str]]:
    """Inside, what goes to descriptor 2 is held back; after it all lines are written but those in
    which `pattern` is found. These are in the yielded list then.

    Where stderr is closed or there is no place for a temporary file, nothing is held back.
    """
    kept: list[str] = []
    with LOCK, contextlib.ExitStack() as stack:
        try:
            notes = stack.enter_context(tempfile.TemporaryFile())
            stderr = os.dup(2)
        except OSError:
            yield kept
            return
        stack.callback(os.close, stderr)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # Closed, or none at all.
            sys.stderr.flush()
        os.dup2(notes.fileno(), 2)
        try:
            yield kept
        finally:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            os.dup2(stderr, 2)
            notes.seek(0)
            for line in notes:
                if pattern.search(line):
                    kept.append(line.decode(errors="replace").strip())
                else:
                    with contextlib.suppress(OSError):
                        os.write(stderr, line)
