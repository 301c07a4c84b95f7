"""Reconstruct the clipped highlights of photographs: the published command line.

python hdrcnn_predict.py --im_dir=data --out_dir=out --previews

The flags are those of `hdrcnn predict`.
"""

import os
import signal


def _stop(*_: object) -> None:
    """Exit at once on Ctrl-C while modules are being imported.

    Some modules turn KeyboardInterrupt into another error. Nothing has been written yet.
    """
    os._exit(130)


if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)

from hdrcnn.cli.predict import entry

if __name__ == "__main__":
    entry()
