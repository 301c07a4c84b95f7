"""HDR images from ordinary pictures: the command `hdrcnn`."""

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from hdrcnn import __version__
from hdrcnn.cli.console import run
from hdrcnn.cli.parser import HELP, HELP_ALL, Parser, UsageError, unknown

COMMANDS = {
    "predict": "hdrcnn.cli.predict",
    "fuse": "hdrcnn.cli.fuse",
}
"""Name to a module with `add_arguments(parser)` and `main(arguments)`, which returns the exit
status. Its docstring is the help. What takes long to import is imported by its `main`, after the
arguments are checked.
"""


def parser_of(module: ModuleType, prog: str, paths: bool = True) -> Parser:
    """The parser of a command; prog, paths: as for `Parser`."""
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
    """Runs the command that the first argument names. Returns its exit status."""
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
    """The command `hdrcnn`."""
    run(lambda: main(sys.argv[1:]), OSError, ValueError, program="hdrcnn")
