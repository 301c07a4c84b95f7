"""The terminal: messages to the user, suppression of what libraries print, and Ctrl-C.

Ctrl-C must not leave half-written files, must not crash the process, and must never be lost. Python
raises KeyboardInterrupt wherever it happens to be. TensorFlow, while it is being imported or traces
a network, swallows the exception or is left in a broken state by it. There Ctrl-C only sets a flag
(`interrupt_delayed`), which is checked afterwards and between photographs (`check`). A second
Ctrl-C ends the process at once; a file appears under its final name only when it is complete.

Some libraries written in C and C++ print errors that they also report: to Python's `sys.stdout`, or
to file descriptor 2. Both can only be redirected for the whole process, so one thread at a time
does so, under `LOCK`.
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
"""Exit status after Ctrl-C: 128 plus the number of the signal, as shells have it."""
Item = TypeVar("Item")


class _State:
    asked = False
    """Ctrl-C was pressed."""
    depth = 0
    """Nesting depth of `interrupt_delayed` in the main thread."""


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if _State.asked:
        os._exit(STATUS)
    _State.asked = True
    if not _State.depth:
        raise KeyboardInterrupt


def install() -> None:
    """Install the handler of Ctrl-C. Where SIGINT is ignored, as in a shell's background jobs, it
    stays ignored. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
        signal.signal(signal.SIGINT, _on_interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C has been pressed."""
    if _State.asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def interrupt_delayed() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, where KeyboardInterrupt is raised. Has no effect
    outside the main thread, which is the only one that Ctrl-C interrupts.
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
    """Yield the items of an iterator; Ctrl-C is delayed while an item is being computed."""
    while True:
        with interrupt_delayed():
            item = next(items, None)
        if item is None:
            return
        yield item


LOCK = threading.RLock()
"""Held by the thread that has redirected stderr, which affects the whole process."""
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Unicode characters that change the writing direction of the text after them."""


def printable(text: str) -> str:
    """Escape characters that would control a terminal, end or reorder the line, or are not text
    (lone surrogates). File names may contain any of them; they are written as Python escapes.
    """

    def shown(character: str) -> str:
        unsafe = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        if unsafe or character in _DIRECTIONS:
            return character.encode("unicode_escape").decode()
        return character

    return "".join(map(shown, text))


class _Filter:
    """Text stream that withholds matching lines written by the thread that created it. Everything
    else is passed on unchanged.
    """

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
        """Pass on a last line without a line feed."""
        self._pass(self._line)
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def notes_file() -> IO[bytes]:
    """Open a temporary file for output that is held back; the null device if none can be had."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "r+b")  # noqa: PTH123  # Closed by the caller.


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
def _stderr_into(lines: list[bytes]) -> Iterator[None]:
    """Append what is written to file descriptor 2 inside the block to `lines`, at its end, instead
    of showing it. Holds nothing back if the descriptor is closed.
    """
    with contextlib.ExitStack() as stack:
        try:
            original = os.dup(2)  # First, as the file would get the number 2 if that were free.
            stack.callback(os.close, original)
            notes = stack.enter_context(notes_file())
        except OSError:
            yield
            return
        _flush_stderr()
        os.dup2(notes.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(original, 2)
            notes.seek(0)
            lines += notes


def _show(line: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(2, line)


@contextlib.contextmanager
def _stderr(pattern: re.Pattern[str], kept: list[str]) -> Iterator[None]:
    """As `_stdout`, for file descriptor 2."""
    lines: list[bytes] = []
    try:
        with _stderr_into(lines):
            yield
    finally:
        for line in lines:
            text = line.decode(errors="replace")
            if pattern.search(text):
                kept.append(text.strip())
            else:
                _show(line)


@contextlib.contextmanager
def lines_withheld(pattern: re.Pattern[str]) -> Iterator[list[str]]:
    """Withhold lines that match `pattern` from the output printed inside the block.

    Yields a list that contains these lines after the block. All other lines are printed: those to
    `sys.stdout` at once, those to file descriptor 2 after the block.
    """
    kept: list[str] = []
    with LOCK, _stdout(pattern, kept), _stderr(pattern, kept):
        yield kept


@contextlib.contextmanager
def stderr_discarded() -> Iterator[None]:
    """Discard what is written to stderr inside the block: the import of TensorFlow, whose libraries
    log messages there before any setting can stop them.

    If the import fails, the messages are shown after all. One thread at a time; lines that others
    print by `say` wait for the end of the block, and so does Ctrl-C.
    """
    lines: list[bytes] = []
    with interrupt_delayed(), LOCK:
        try:
            with _stderr_into(lines):
                yield
        except ImportError:
            for line in lines:
                _show(line)
            raise


def say(line: str, stream: TextIO) -> None:
    """Print a line to the user, after any other thread has left `stderr_discarded`.

    Raises OSError if stdout cannot be written; the same error of stderr is ignored.
    """
    with LOCK:
        try:
            print(printable(line), file=stream, flush=True)
        except OSError as error:
            if stream is not sys.stderr:
                raise OSError(
                    f"standard output: cannot be written: {error.strerror or error}; files "
                    "written so far are complete, run again to continue"
                ) from error
