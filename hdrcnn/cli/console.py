"""What the commands have in common: help, and one clear line instead of a traceback."""

import sys
from collections.abc import Callable

from absl import app, flags, logging


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
        sys.exit(f"{argv[0]}: {error}; see --help")


def run(main: Callable[[], int], *expected: type[Exception]) -> None:
    """Parse the flags, run `main`, exit with its status. Help is that of the module of `main`.

    Errors of the `expected` types are written as one line, status 1; Ctrl-C likewise, 130.
    """

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)  # JAX tells of every accelerator it looks for.
        if len(argv) > 1:
            sys.exit(f"{argv[0]}: what is {argv[1]!r}? Settings are given as --name=value.")
        try:
            sys.exit(main())
        except expected as error:
            sys.exit(f"{argv[0]}: {error}")
        except KeyboardInterrupt:
            print("stopped; what was written is whole, run again to go on", file=sys.stderr)
            sys.exit(130)

    app.run(guarded, flags_parser=lambda argv: _parse(argv, main.__module__))
