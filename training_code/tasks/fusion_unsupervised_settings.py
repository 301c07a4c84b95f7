"""Settings of the training of the network for weight maps; no Keras here."""

import dataclasses

from training_code.tasks import settings
from training_code.tasks.fusion_settings import FusionConfig
from training_code.tasks.settings import check_chosen

GAMMAS = ("variance", "gradient", "exposedness", "variance_gradient")
"""Kinds of `losses.fusion.gamma_map`."""


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the terms of the loss."""

    mef_ssim: float = 1.0
    """1 - MEF-SSIM at three scales, Ma et al. 2015."""
    weighted_ssim: float = 0.0
    """1 - the mean contrast-structure term of the frames, weighted by a gamma map."""
    gamma: str = "variance_gradient"
    """Kind of the gamma map, one of `GAMMAS`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_chosen("set terms.gamma", self.gamma, GAMMAS)


@dataclasses.dataclass(frozen=True)
class Config(FusionConfig):
    """Settings of the training on brackets, by default two to five frames, fused in a pyramid."""

    terms: Terms = Terms()

    def unused(self) -> dict[str, str]:
        return {} if self.terms.weighted_ssim else {"terms.gamma": "while terms.weighted_ssim is 0"}
