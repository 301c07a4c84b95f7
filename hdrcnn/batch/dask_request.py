"""What is asked for, as it is sent to the workers, and whether they can do the same as we.

Flags are parsed in the command's process only; all that a worker needs to know stands here.
"""

import dataclasses
import socket
from pathlib import Path

from hdrcnn import _version
from hdrcnn.batch.choose import sha256
from hdrcnn.batch.job import Settings
from hdrcnn.weights import CURVES, JPEG, SHIPPED, VIDEO


class FarmError(Exception):
    """Workers that cannot be had or used; the message is meant for the user."""


@dataclasses.dataclass(frozen=True)
class Request:
    """Of one run, the same for every file."""

    settings: Settings
    params: Path | None
    """The weights of all pictures, or None: chosen."""
    device: str
    tile_pixels: int | None
    folder: Path
    """That relative names start from."""
    version: str
    """Of the toolkit that asks."""
    weights: tuple[str, ...]
    """SHA-256 of the weights that may be chosen, and of those of the camera curve, where the one
    who asks has them."""

    def check(self) -> None:
        """That this process would do the same as the one that asks. Raises FarmError."""
        host = socket.gethostname()
        if self.version != _version.__version__:
            raise FarmError(
                f"worker on {host}: its hdrcnn is {_version.__version__}, here it is "
                f"{self.version}; install the same"
            )
        if self.weights != digests(self.params):
            raise FarmError(
                f"worker on {host}: its weights are not those of this machine; install the same, "
                "or give --params a file that all machines see"
            )


def digests(params: Path | None) -> tuple[str, ...]:
    """SHA-256 of the weights that may be chosen, and of those of the camera curve. Raises
    WeightsError.
    """
    paths = (*((SHIPPED, JPEG, VIDEO) if params is None else (params,)), CURVES)
    return tuple(sha256(path) if path == params or path.is_file() else "" for path in paths)


def ask(
    settings: Settings,
    params: Path | None = None,
    device: str = "auto",
    tile_pixels: int | None = None,
) -> Request:
    """A request of this process. Raises WeightsError where the weights file is missing."""
    return Request(
        settings=settings,
        params=params,
        device=device,
        tile_pixels=tile_pixels,
        folder=Path.cwd(),
        version=_version.__version__,
        weights=digests(params),
    )
