"""The originally published parameter files: 80 unnamed arrays in one pickled list.

They are read by `array_pickle`, which does not execute the pickle. The arrays are in the order in
which the network of Eilertsen et al. 2017 was constructed.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hdrcnn.files import WeightsError, one_line
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.models.vgg import CONVOLUTIONS
from hdrcnn.weights import array_pickle, npz

KEY = "params"
"""The only key of such an .npz file."""


def names() -> Iterator[str]:
    """Layer paths of this project in the order of the published list."""
    affine = ("kernel", "bias")
    norm = ("beta", "gamma", "moving_mean", "moving_variance")
    for level, count in enumerate(CONVOLUTIONS, 1):
        for index in range(1, count + 1):
            yield from (f"block{level}_conv{index}/{part}" for part in affine)
    yield from (f"latent_conv/{part}" for part in affine)
    yield from (f"latent_norm/{part}" for part in norm)
    for level in range(5, 0, -1):
        yield from (f"up{level}/{part}" for part in affine)
        yield from (f"up{level}_norm/{part}" for part in norm)
        yield from (f"fuse{level}/{part}" for part in affine)
    yield from (f"rgb_conv/{part}" for part in affine)
    yield from (f"rgb_norm/{part}" for part in norm)
    yield from (f"fuse0/{part}" for part in affine)


def recognised(path: Path) -> bool:
    """Whether a file has the published layout, judged by its only key."""
    return npz.keys(path) == [KEY]


def read_list(path: Path) -> list[np.ndarray]:
    """The arrays of a published file, float32, in their order. Raises WeightsError."""
    try:
        npz.check_file(path)
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{KEY}.npy")
            npz.check_unpacked([member], npz.allowed_bytes(path))
            content = archive.read(member)
        arrays = array_pickle.read_npy(io.BytesIO(content), len(content))
        if not isinstance(arrays, list):
            raise ValueError("no list")
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError("something in the list is not an array of numbers")
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except Exception as error:
        raise WeightsError(
            f"{path}: not read: not a plain list of number arrays as published "
            f"({one_line(error)}); use a file from a source you trust"
        ) from error
    return arrays


def load(path: Path) -> tuple[dict[str, np.ndarray], Hdrcnn]:
    """Load a published file: arrays by layer path, and metadata for the published method.

    Raises WeightsError.
    """
    arrays, order = read_list(path), list(names())
    if len(arrays) != len(order):
        raise WeightsError(f"{path}: {len(arrays)} arrays; the published layout has {len(order)}")
    # Every published file has width 64; tests write other widths.
    width = arrays[0].shape[-1] if arrays[0].ndim else 0
    try:
        metadata = Hdrcnn(width=width, linearisation="square", blend="pixel")
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    return dict(zip(order, arrays, strict=True)), metadata
