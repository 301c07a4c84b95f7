"""Settings of HDRCNN's loss. The formulas are in `losses.log_hdr`, which needs Keras."""

import dataclasses
import math

NAMES = ("illumination_reflectance", "log_l2")
MASKS = ("target", "code", "blend")


@dataclasses.dataclass(frozen=True)
class Loss:
    """The loss and its optional terms; the defaults are published (Eilertsen et al. 2017)."""

    name: str = "illumination_reflectance"
    """One of `NAMES`: the published loss, or the plain squared log error, Eq. 5."""
    mask: str = "target"
    """Where the prediction counts. `target`: where the light is near or above the clipping level,
    as published. `code`: where the picture's code is near its maximum, which is where the
    prediction is blended in. Code 0.95 is linear 0.864 under the mean curve, so the published mask
    leaves some pixels untrained that are used. `blend`: by the weight that each sample has in the
    blend stored with the weights; `peak` and `gradient`, which need whole pixels, then use the mask
    of `code`."""
    peak: float = 0.0
    """Weight of the error of the highlights' p-norm, see `log_hdr.peak_error`."""
    gradient: float = 0.0
    """Weight of the error of gradients, see `log_hdr.gradient_error`."""
    asymmetry: float = 0.0
    """A squared error counts 1 + asymmetry times where the prediction is too low. Above 0 it
    counters highlights that are too dark because the network hedges between many possible ones.
    Below 0 the network stays near the clipping level where it is unsure: diffuse white that glows
    is noticed at once, a lamp that is too dim hardly."""
    cap: float | None = None
    """Stops above the clipping level beyond which light is not distinguished: brighter light only
    has to be predicted at least that bright. Otherwise a single sun of 15 stops would dominate the
    gradient of its batch."""
    knee: float | None = None
    """If given, knee log(1 + c / knee) is minimised instead of the cost c of a picture. Far above
    the knee a picture counts by its relative improvement, as in PSNR, which is the logarithm of an
    error. Without it, hopeless pictures dominate the gradient."""

    def __post_init__(self) -> None:
        for field, known in (("name", NAMES), ("mask", MASKS)):
            if getattr(self, field) not in known:
                raise ValueError(f"loss.{field} {getattr(self, field)}: one of {', '.join(known)}")
        for field in ("peak", "gradient"):
            if not 0.0 <= getattr(self, field) < math.inf:
                raise ValueError(f"loss.{field} {getattr(self, field)}: a weight, at least 0")
        if not -1.0 < self.asymmetry < math.inf:
            raise ValueError(f"loss.asymmetry {self.asymmetry}: a number above -1")
        if self.cap is not None and not 0.0 < self.cap < 100.0:
            raise ValueError(f"loss.cap {self.cap}: stops above the clipping level, or none")
        if self.knee is not None and not 0.0 < self.knee < math.inf:
            raise ValueError(f"loss.knee {self.knee}: a positive cost, or none")
