"""Reconstruct the lost highlights of photographs: the published command; see `hdrcnn predict` too.

python hdrcnn_predict.py --im_dir=data --out_dir=out --previews
"""

import os
import signal


def _stop(*_: object) -> None:
    """Ctrl-C while modules are loaded: some make another error of it. Nothing is written yet."""
    os._exit(130)


if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)

from hdrcnn.cli.predict import entry

if __name__ == "__main__":
    entry()
