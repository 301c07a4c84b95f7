"""ColorVideoVDP, a visible-difference predictor in JOD, if it is installed.

It is optional: `pip install cvvdp` installs it together with PyTorch. Nothing else here needs it.

Reference: R. K. Mantiuk et al., "ColorVideoVDP: A visual difference predictor for image, video
and display distortions", SIGGRAPH 2024.
"""

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

DISPLAY = "standard_hdr_linear"
"""ColorVideoVDP's name for a 30-inch 4K HDR display of 1500 cd/m^2 whose input is linear Rec. 709
light in cd/m^2. Brighter values are clipped to its peak."""


@lru_cache(maxsize=1)
def _metric() -> Any:
    """Return the metric for `DISPLAY`, built once; None if the package is missing."""
    try:
        pycvvdp = import_module("pycvvdp")
    except ModuleNotFoundError as error:
        # A package that is installed but broken must not pass for a missing one.
        if error.name != "pycvvdp":
            raise
        return None
    return pycvvdp.cvvdp(display_name=DISPLAY)


def colorvideovdp_jod(prediction: npt.ArrayLike, reference: npt.ArrayLike) -> float | None:
    """Quality of a prediction in just-objectionable differences (JOD); None without `cvvdp`.

    prediction, reference: [H, W, 3], linear RGB, Rec. 709 primaries, absolute (cd/m^2), aligned;
    negative values count as 0. 10 means no visible difference; of two results one JOD apart, a
    quarter of the viewers prefer the lower one. Mantiuk et al. 2024. Raises ValueError if the
    shapes differ.
    """
    test, true = np.asarray(prediction, np.float32), np.asarray(reference, np.float32)
    if test.ndim != 3 or test.shape[-1] != 3 or test.shape != true.shape:
        raise ValueError(f"both images must be [H, W, 3]; they are {test.shape}, {true.shape}")
    metric = _metric()
    if metric is None:
        return None
    quality, _ = metric.predict(np.maximum(test, 0.0), np.maximum(true, 0.0), dim_order="HWC")
    return float(quality)
