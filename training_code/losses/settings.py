"""What a training minimises, as settings; the formulas stand in `losses`, which needs Keras."""

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
    as published. `code`: where the picture's code is, that is where the prediction is blended in.
    Code 0.95 is linear 0.864 under the mean curve, so that the published mask leaves pixels
    untrained that are used. `blend`: as much as the blend of the weights takes of each sample; the
    terms below, which are of whole pixels, keep the mask of the code."""
    peak: float = 0.0
    """Weight of the error of the highlights' p-norm, see `losses.peak_error`."""
    gradient: float = 0.0
    """Weight of the error of gradients, see `losses.gradient_error`."""
    asymmetry: float = 0.0
    """How much more a squared error counts where the prediction is too low: 1 + asymmetry times.
    Highlights come out too low where the network hedges between many possible ones. Below 0 an
    error counts less there: where the network is unsure it stays near the clipping level. Diffuse
    white that is made to shine is seen at once, a lamp that is too dim hardly."""
    cap: float | None = None
    """Light is told apart up to so many stops above the clipping level; what is brighter need only
    be predicted as bright as that. One sun of 15 stops would own the gradient of its batch."""
    knee: float | None = None
    """Of a picture's cost c: knee log(1 + c / knee) is minimised, c itself without one. Far above
    the knee a picture counts by how much better it gets in proportion, as in a PSNR, which is the
    logarithm of an error: without it the pictures that are hopeless own the gradient."""

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
