"""Lines that a library prints by itself, kept from the user.

Some libraries written in C and C++ print what they also report: to Python's `sys.stdout`, or to
descriptor 2. That can only be led elsewhere for the whole process: one thread at a time does it,
under `LOCK`.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any

LOCK = threading.RLock()
"""Held by the thread for which stderr, that of the whole process, leads elsewhere."""


class _Filter:
    """A text stream without some lines of the thread that made it; others pass as they are."""

    def __init__(self, stream: Any, pattern: re.Pattern[str], kept: list[str]) -> None:
        self._stream, self._pattern, self._kept = stream, pattern, kept
        self._thread, self._line = threading.get_ident(), ""

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            return int(self._stream.write(text))
        *lines, self._line = f"{self._line}{text}".split("\n")
        for line in lines:
            self._pass(f"{line}\n")
        return len(text)

    def _pass(self, line: str) -> None:
        if self._pattern.search(line):
            self._kept.append(line.strip())
        elif line:
            self._stream.write(line)

    def end(self) -> None:
        """Lets go of a line that has not ended."""
        self._pass(self._line)
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def notes_file() -> IO[bytes]:
    """A file for what is not shown at once; where no temporary one can be had, for nothing."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "r+b")  # noqa: PTH123  # Closed by who asked for it.


@contextlib.contextmanager
def _stdout(pattern: re.Pattern[str], kept: list[str]) -> Iterator[None]:
    if sys.stdout is None:
        yield
        return
    stream = _Filter(sys.stdout, pattern, kept)
    with contextlib.redirect_stdout(stream):
        try:
            yield
        finally:
            stream.end()


def _flush_stderr() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # Closed, or none at all.
        sys.stderr.flush()


@contextlib.contextmanager
def _stderr(pattern: re.Pattern[str], kept: list[str]) -> Iterator[None]:
    """Nothing is held back if descriptor 2 is closed or there is no place for temporary files."""
    with contextlib.ExitStack() as stack:
        try:
            notes = stack.enter_context(notes_file())
            original = os.dup(2)
        except OSError:
            yield
            return
        stack.callback(os.close, original)
        _flush_stderr()
        os.dup2(notes.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(original, 2)
            notes.seek(0)
            for line in notes:
                text = line.decode(errors="replace")
                if pattern.search(text):
                    kept.append(text.strip())
                else:
                    with contextlib.suppress(OSError):
                        os.write(original, line)


@contextlib.contextmanager
def without(pattern: re.Pattern[str]) -> Iterator[list[str]]:
    """Lines in which `pattern` is found are not printed inside, but stand in the yielded list
    after it. All others are: those to `sys.stdout` at once, those to descriptor 2 after it.
    """
    kept: list[str] = []
    with LOCK, _stdout(pattern, kept), _stderr(pattern, kept):
        yield kept
