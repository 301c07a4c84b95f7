"""Weights files: named arrays with a record beside them, of this project or as published.

store       files of this project: strict, by layer path
published   the originally published parameters, 80 arrays without names
npz, array_pickle   what both are read by; neither runs code out of a file
"""

from pathlib import Path

import numpy as np

from hdrcnn.models.metadata import Hdrcnn, Metadata
from hdrcnn.weights import npz, published, store
from hdrcnn.weights.store import (
    CURVES,
    FOLDER,
    JPEG,
    SHIPPED,
    VIDEO,
    WeightsError,
    assign,
    checked,
    collect,
    save,
)

__all__ = [
    "CURVES",
    "FOLDER",
    "JPEG",
    "SHIPPED",
    "VIDEO",
    "Hdrcnn",
    "Metadata",
    "WeightsError",
    "assign",
    "checked",
    "collect",
    "load",
    "save",
]


def load(path: Path) -> tuple[dict[str, np.ndarray], Metadata]:
    """Arrays by layer path, float32, and the metadata. Raises WeightsError.

    The published 80-array layout is recognised and given names; its metadata is its width,
    linearisation by squaring and the published blend.
    """
    return (published if npz.keys(path) == [published.KEY] else store).load(path)
