"""The command `hdrcnn`: HDR images from ordinary photographs and films.

All commands, including those of the training code, run through `run`: it prints a one-line message
instead of a traceback and handles Ctrl-C.
"""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from hdrcnn import __version__, console
from hdrcnn.cli.parser import HELP, HELP_ALL, Parser, UsageError, unknown
from hdrcnn.files import UserError

COMMANDS = {
    "predict": "hdrcnn.cli.predict",
    "fuse": "hdrcnn.cli.fuse",
    "stack": "hdrcnn.cli.stack",
    "film": "hdrcnn.cli.film",
    "export": "hdrcnn.cli.export",
}
"""Command name to module. A module provides `add_arguments(parser)` and `main(arguments)`, which
returns the exit status. Its docstring is the help text. Slow imports are left to its `main`, after
the arguments have been checked.
"""


def parser_of(module: ModuleType, prog: str, paths: bool = True) -> Parser:
    """Build the parser of a command. prog, paths: as for `Parser`."""
    parser = Parser(prog, module.__doc__, paths)
    module.add_arguments(parser)
    return parser


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        f"  {name:{width}}  {(importlib.import_module(module).__doc__ or '').partition(chr(10))[0]}"
        for name, module in COMMANDS.items()
    ]
    usage = "usage: hdrcnn COMMAND [--flag value ...] PATH ...\n       hdrcnn COMMAND --help"
    return "\n".join([usage, "       hdrcnn --version", "", "commands:", *lines])


def main(argv: Sequence[str]) -> int:
    """Run the command that the first argument names. Returns its exit status."""
    if not argv:
        raise UsageError(f"no command given: {', '.join(COMMANDS)}; see --help")
    name = argv[0]
    if name in (*HELP, *HELP_ALL):
        print(_help())
        return 0
    if name in ("--version", "-version"):
        print(f"hdrcnn {__version__}")
        return 0
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS, f"known: {', '.join(COMMANDS)}; see --help")
    module = importlib.import_module(COMMANDS[name])
    return int(module.main(parser_of(module, f"hdrcnn {name}").parse(argv[1:])))


def entry() -> None:
    """Entry point of the command `hdrcnn`."""
    run(lambda: main(sys.argv[1:]), OSError, ValueError, program="hdrcnn")


def _open_streams() -> None:
    """Connect standard streams that were closed before the start to the null device.

    Otherwise the next file to be opened would take over their descriptor, and output that libraries
    print would be written into it.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= 2:
        nowhere = os.dup(nowhere)
    os.close(nowhere)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # File names may not be encodable.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def run(main: Callable[[], int], *expected: type[Exception], program: str = "") -> NoReturn:
    """Run `main` and exit with its status.

    UserError and errors of the `expected` types are reported in one line, with status 1, and so is
    Ctrl-C, with status 130. program: name that begins the line; empty: that of the script.
    """
    faults: tuple[type[Exception], ...] = (UserError, *expected)
    _open_streams()
    console.install()
    for library in ("tifffile", "PIL"):  # Their errors are reported, not logged.
        logging.getLogger(library).propagate = False
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        try:
            status = main()
            console.check()
        except faults as error:
            console.check()
            console.say(f"{program or Path(sys.argv[0]).name}: {error}", sys.stderr)
            status = 1
    except KeyboardInterrupt:
        console.say("stopped; files written so far are complete, run again to continue", sys.stderr)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        # Threads of interrupted libraries may crash while Python shuts down.
        os._exit(console.STATUS)
    sys.exit(status)
