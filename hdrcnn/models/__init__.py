"""The networks: siblings, each in a file of its own, none importing another."""

from collections.abc import Callable
from typing import Any


def _hdrcnn() -> Callable[..., Any]:
    from hdrcnn.models.hdrcnn import build

    return build


BUILDERS: dict[str, Callable[[], Callable[..., Any]]] = {"hdrcnn": _hdrcnn}
"""By the name stored in a weights file: how to get the function `build(width)`. Fetched late,
so that looking at the names does not load Keras."""
