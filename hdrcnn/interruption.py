"""Ctrl-C: nothing is half-written, nothing crashes, and it is never forgotten.

Python raises KeyboardInterrupt wherever it happens to be. Inside TensorFlow, while it is loaded or
traces a network, that is swallowed, or leaves it in pieces. There Ctrl-C only sets a flag (`held`),
which is looked at afterwards, and once more between pictures (`check`). A second Ctrl-C ends the
process at once; what is written appears under its name only when it is whole.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TypeVar

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
