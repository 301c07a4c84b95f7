"""A tiny version of every network and input for it, for the tests that run over all networks."""

import numpy as np

from hdrcnn.models.metadata import (
    CameraCurve,
    ExposureGan,
    ExposureStack,
    FilmCurves,
    FilmUnet,
    Fusion,
    Hdrcnn,
    Metadata,
)

TINY: dict[str, Metadata] = {
    "hdrcnn": Hdrcnn(2, "srgb", "pixel"),
    "camera_curve": CameraCurve(12, 4, 2),
    "fusion": Fusion(2),
    "fusion of a pair": Fusion(2, pair=True),
    "exposure_gan": ExposureGan(2),
    "exposure_stack": ExposureStack(2),
    "film_unet": FilmUnet(2),
    "film_curves": FilmCurves(23, 4, 2, 3),
}
IMAGE_NETWORKS = [
    record
    for record in TINY.values()
    if record.takes.startswith("[N, H, W, 3]") and record.gives.startswith("[N, H, W, 3]")
]
"""Networks from pictures to pictures of the same size, which are computed in tiles."""


def random_input(record: Metadata, side: int = 64) -> np.ndarray:
    """Random batch of two of the shape that the network of this record takes."""
    names = record.takes[1 : record.takes.index("]")].split(", ")
    sizes = {
        "N": 2,
        "K": 2 if getattr(record, "pair", False) else 3,
        "H": side,
        "W": side,
        "h": side,
        "w": side,
    }
    if "F" in names:
        sizes["F"] = record.options()["size"]
    shape = [int(name) if name.isdigit() else sizes[name] for name in names]
    return np.random.default_rng(side).random(shape, np.float32)
