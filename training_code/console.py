"""Parsing and help for the commands with absl flags; all else is shared with `hdrcnn.cli`. Also how
paths of the command line are stored with results.
"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from absl import flags, logging

from hdrcnn.cli.main import run as run_command
from hdrcnn.files import UserError


def _parse(argv: list[str], module: str) -> None:
    """Parse the flags; `--help` prints the module's docstring and flags and exits with status 0.

    module: name of the module that defines the flags. Raises UserError.
    """
    if any(argument in ("-h", "-help", "--help", "--helpshort") for argument in argv[1:]):
        print(sys.modules[module].__doc__)
        # Absl lists the flags of a script under the path with which it was started.
        print(flags.FLAGS.module_help(sys.argv[0] if module == "__main__" else module))
        sys.exit(0)
    try:
        others = flags.FLAGS(argv)[1:]
    except flags.Error as error:
        raise UserError(f"{error}; see --help") from error
    if others:
        raise UserError(f"what is {others[0]!r}? Settings are given as --name=value.")


def placeless(path: Path) -> str:
    """A path as it is stored with results, which are copied and published: an absolute one becomes
    relative to the working folder if it is below it, and otherwise its last part alone.
    """
    if path.is_absolute():
        here = Path.cwd()
        path = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return path.as_posix()


def shown(argument: str) -> str:
    """PATH or NAME=PATH of a command line, `placeless` and quoted for a shell."""
    name, equals, path = argument.partition("=")
    if not equals or "/" in name:
        return shlex.quote(placeless(Path(argument)))
    return shlex.quote(f"{name}={placeless(Path(path))}")


def run(main: Callable[[], int], *expected: type[Exception]) -> None:
    """Parse the flags, run `main` and exit with its status. Help is that of the module of `main`.

    Errors of the `expected` types are printed as one line, with exit status 1; Ctrl-C likewise,
    with status 130.
    """

    def parsed() -> int:
        _parse(sys.argv, main.__module__)
        logging.set_verbosity(logging.WARNING)  # JAX logs every accelerator that it looks for.
        return main()

    run_command(parsed, *expected)
