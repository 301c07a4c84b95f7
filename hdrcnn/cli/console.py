"""What all commands have in common: one clear line instead of a traceback, and a clean Ctrl-C."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hdrcnn import interruption
from hdrcnn.files import UserError
from hdrcnn.printed import say


def _open_streams() -> None:
    """Streams that were closed before the start lead nowhere. Otherwise the next file that is
    opened takes their number, and whatever libraries print is written into it.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= 2:
        nowhere = os.dup(nowhere)
    os.close(nowhere)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # Names need not be in their encoding.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def run(main: Callable[[], int], *expected: type[Exception], program: str = "") -> NoReturn:
    """Run `main` and exit with its status.

    UserError and errors of the `expected` types are written as one line, status 1; Ctrl-C
    likewise, status 130. program: its name in that line.
    """
    faults: tuple[type[Exception], ...] = (UserError, *expected)
    _open_streams()
    interruption.install()
    for library in ("tifffile", "PIL"):  # What is wrong with a file is reported by its error.
        logging.getLogger(library).propagate = False
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        try:
            status = main()
            interruption.check()
        except faults as error:
            interruption.check()
            say(f"{program or Path(sys.argv[0]).name}: {error}", sys.stderr)
            status = 1
    except KeyboardInterrupt:
        say("stopped; what was written is whole, run again to go on", sys.stderr)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        # The threads of libraries that were interrupted may crash while Python takes itself apart.
        os._exit(interruption.STATUS)
    sys.exit(status)
