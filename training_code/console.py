"""What the commands with absl flags have in common: parsing and help; the rest is the product's."""

import sys
from collections.abc import Callable

from absl import flags, logging

from hdrcnn.cli.main import run as run_command
from hdrcnn.files import UserError


def _parse(argv: list[str], module: str) -> None:
    """`--help` prints what the command does and its own flags, and succeeds. Raises UserError.

    module: the one that they stand in.
    """
    if any(argument in ("-h", "-help", "--help", "--helpshort") for argument in argv[1:]):
        print(sys.modules[module].__doc__)
        # Absl knows the flags of a script by the path it was started with.
        print(flags.FLAGS.module_help(sys.argv[0] if module == "__main__" else module))
        sys.exit(0)
    try:
        others = flags.FLAGS(argv)[1:]
    except flags.Error as error:
        raise UserError(f"{error}; see --help") from error
    if others:
        raise UserError(f"what is {others[0]!r}? Settings are given as --name=value.")


def run(main: Callable[[], int], *expected: type[Exception]) -> None:
    """Parse the flags, run `main`, exit with its status. Help is that of the module of `main`.

    Errors of the `expected` types are written as one line, status 1; Ctrl-C likewise, 130.
    """

    def parsed() -> int:
        _parse(sys.argv, main.__module__)
        logging.set_verbosity(logging.WARNING)  # JAX reports every accelerator it looks for.
        return main()

    run_command(parsed, *expected)
