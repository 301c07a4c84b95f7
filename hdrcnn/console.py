"""The terminal: lines to the user, what libraries print kept from the user, and Ctrl-C.

Ctrl-C: nothing is half-written, nothing crashes, and it is never forgotten. Python raises
KeyboardInterrupt wherever it happens to be. Inside TensorFlow, while it is loaded or traces a
network, that is swallowed, or leaves it in pieces. There Ctrl-C only sets a flag (`held`), which is
looked at afterwards, and once more between pictures (`check`). A second Ctrl-C ends the process at
once; what is written appears under its name only when it is whole.

Some libraries written in C and C++ print what they also report: to Python's `sys.stdout`, or to
descriptor 2. That can only be redirected for the whole process: one thread at a time does it, under
`LOCK`.
"""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Iterator
from types import FrameType
from typing import IO, Any, TextIO, TypeVar

STATUS = 130
"""Exit status of what was stopped: 128 and the number of the signal, as shells have it."""
Item = TypeVar("Item")


class _State:
    asked = False
    """Ctrl-C was pressed."""
    depth = 0
    """Of the main thread's `held`."""


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if _State.asked:
        os._exit(STATUS)
    _State.asked = True
    if not _State.depth:
        raise KeyboardInterrupt


def install() -> None:
    """Take over Ctrl-C. Where it is ignored, as in the background of a shell, it stays so."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
        signal.signal(signal.SIGINT, _on_interrupt)


def check() -> None:
    """Raises KeyboardInterrupt if Ctrl-C was pressed, and not yet respected."""
    if _State.asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, where KeyboardInterrupt is raised. In other threads
    than the main one, which is the only one it interrupts, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    if not _State.depth:
        check()


def one_by_one(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; Ctrl-C waits for each that is being made."""
    while True:
        with held():
            item = next(items, None)
        if item is None:
            return
        yield item


LOCK = threading.RLock()
"""Held by the thread for which stderr, that of the whole process, leads elsewhere."""
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that make what follows them appear in another order."""


def printable(text: str) -> str:
    """One line that a terminal shows as it is: names may hold any character. Those that control
    it, end the line, reorder it or are no text are written as in Python.
    """

    def shown(character: str) -> str:
        unsafe = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        if unsafe or character in _DIRECTIONS:
            return character.encode("unicode_escape").decode()
        return character

    return "".join(map(shown, text))


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


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Around the import of TensorFlow, whose libraries write notes about themselves to stderr
    before any setting can stop them. Where the import fails, they are shown after all. One thread
    at a time; the others write by `say` meanwhile. Ctrl-C waits until all is loaded.
    """
    with held(), LOCK, notes_file() as notes:
        with contextlib.suppress(OSError, AttributeError):
            sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except ImportError:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def say(line: str, stream: TextIO) -> None:
    """A line to the user, as soon as no thread is `quietly` loading. That nobody reads stderr any
    more is no reason to stop.
    """
    with LOCK:
        try:
            print(printable(line), file=stream, flush=True)
        except OSError as error:
            if stream is not sys.stderr:
                raise OSError(
                    f"standard output: cannot be written: {error.strerror or error}; what was "
                    "written to files is whole, run again to go on"
                ) from error
