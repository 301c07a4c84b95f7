"""Weights files: named arrays with a record beside them, of this project or as published.

store       files of this project: strict, by layer path
published   the originally published parameters, 80 arrays without names
npz, array_pickle   what both are read by; neither runs code out of a file
"""

from hdrcnn.models.metadata import Hdrcnn, Metadata
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
    load,
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
