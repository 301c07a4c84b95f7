"""Weights files: named arrays with a metadata record, of this project or as published.

store       files of this project, loaded strictly by layer path
published   the originally published parameters, 80 arrays without names
npz, array_pickle   the readers for both; neither runs code from a file
"""

from hdrcnn.models.metadata import Hdrcnn, Metadata
from hdrcnn.weights.store import (
    CAMERA_CURVE,
    FOLDER,
    JPEG,
    SHIPPED,
    VIDEO,
    WeightsError,
    assign,
    collect,
    expect_kind,
    load,
    save,
)

__all__ = [
    "CAMERA_CURVE",
    "FOLDER",
    "JPEG",
    "SHIPPED",
    "VIDEO",
    "Hdrcnn",
    "Metadata",
    "WeightsError",
    "assign",
    "collect",
    "expect_kind",
    "load",
    "save",
]
