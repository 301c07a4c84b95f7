"""What the commands have in common: help, and one clear line instead of a traceback."""

import contextlib
import logging as python_logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging

from hdrcnn import interruption
from hdrcnn.printed import say


def _open_streams() -> None:
    """Streams that were closed before the start lead nowhere. Otherwise the next file that is
    opened takes their number, and whatever libraries say is written into it.
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


def _fail(message: str) -> NoReturn:
    """Ends the command with a line, status 1."""
    say(message, sys.stderr)
    sys.exit(1)


def _parse(argv: list[str], module: str) -> list[str]:
    """Flags of the command; `--help` prints what it does and its own flags, and succeeds.

    module: the one that they stand in.
    """
    if any(argument in ("-h", "-help", "--help", "--helpshort") for argument in argv[1:]):
        print(sys.modules[module].__doc__)
        # Absl knows the flags of a script by the path it was started with.
        print(flags.FLAGS.module_help(sys.argv[0] if module == "__main__" else module))
        sys.exit(0)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{argv[0]}: {error}; see --help")


def run(main: Callable[[], int], *expected: type[Exception]) -> None:
    """Parse the flags, run `main`, exit with its status. Help is that of the module of `main`.

    Errors of the `expected` types are written as one line, status 1; Ctrl-C likewise, 130.
    """

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)  # JAX tells of every accelerator it looks for.
        for library in ("tifffile", "PIL"):  # What is wrong with a file is said in its error.
            python_logging.getLogger(library).propagate = False
            python_logging.getLogger(library).addHandler(python_logging.NullHandler())
        if len(argv) > 1:
            _fail(f"{argv[0]}: what is {argv[1]!r}? Settings are given as --name=value.")
        try:
            status = main()
            interruption.check()
        except expected as error:
            interruption.check()
            _fail(f"{argv[0]}: {error}")
        sys.exit(status)

    _open_streams()
    interruption.install()
    try:
        app.run(guarded, flags_parser=lambda argv: _parse(argv, main.__module__))
    except KeyboardInterrupt:
        say("stopped; what was written is whole, run again to go on", sys.stderr)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        # The threads of libraries that were interrupted may crash while Python takes itself apart.
        os._exit(interruption.STATUS)
