"""ColorVideoVDP, where it is installed: a visible-difference predictor, in JOD.

An optional extra: `pip install cvvdp` brings it, and PyTorch with it. Nothing else here needs it.

Reference: R. K. Mantiuk et al., "ColorVideoVDP: A visual difference predictor for image, video
and display distortions", SIGGRAPH 2024.
"""

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

DISPLAY = "standard_hdr_linear"
"""ColorVideoVDP's own name for a 30-inch 4K HDR display of 1500 cd/m^2 that is handed linear
Rec. 709 light in cd/m^2. Brighter values are shown at its peak."""


@lru_cache(maxsize=1)
def _metric() -> Any:
    """The metric for `DISPLAY`, built once; None where the package is missing."""
    try:
        pycvvdp = import_module("pycvvdp")
    except ModuleNotFoundError as error:
        # A package that is there but broken should say so.
        if error.name != "pycvvdp":
            raise
        return None
    return pycvvdp.cvvdp(display_name=DISPLAY)


def colorvideovdp_jod(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> float | None:
    """The quality of a prediction in just-objectionable differences, or None without `cvvdp`.

    prediction, reference: [H, W, 3], linear RGB, Rec. 709 primaries, absolute (cd/m^2), aligned;
    negative values count as 0. 10 is no visible difference; one less is preferred by a quarter
    of viewers. Mantiuk et al. 2024. Raises ValueError for shapes that differ.
    """
    test, true = np.asarray(prediction, np.float32), np.asarray(reference, np.float32)
    if test.ndim != 3 or test.shape[-1] != 3 or test.shape != true.shape:
        raise ValueError(f"both images must be [H, W, 3]; they are {test.shape}, {true.shape}")
    metric = _metric()
    if metric is None:
        return None
    quality, _ = metric.predict(np.maximum(test, 0.0), np.maximum(true, 0.0), dim_order="HWC")
    return float(quality)
