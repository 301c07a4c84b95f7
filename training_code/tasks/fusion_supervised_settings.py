"""The settings of the two-frame network's training; no Keras here."""

import dataclasses

from training_code.tasks import settings
from training_code.tasks.fusion_settings import Fusion
from training_code.tasks.settings import setting

MS_SSIM_SMALLEST = 161
"""Pixels a side, as in `losses.fusion`."""


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the terms; each that is not 0 is logged. The published system names its five terms
    without their weights.
    """

    rgb_l1: float = 1.0
    luminance_l1: float = 0.5
    ms_ssim: float = 0.84
    chroma_l1: float = 0.5
    histogram_l1: float = 0.1


@dataclasses.dataclass(frozen=True)
class Config(Fusion):
    """Under and over of a scene, and the well-exposed picture of it."""

    size: int = setting(168, "Side of the training crops in pixels, a multiple of 8.")
    pairs: str = setting(
        "",
        "Folder with gt/, under/ and over/ of photographs, one name in all three: these, of the "
        "names that --photographs FOLDER/gt has, instead of computed ones.",
    )
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.terms.ms_ssim and self.size < MS_SSIM_SMALLEST:
            raise ValueError(f"--size {self.size}: MS-SSIM needs {MS_SSIM_SMALLEST} pixels a side")

    def unused(self) -> dict[str, str]:
        found = {"brackets.frames": "of --task=fusion_supervised, which has two"}
        if self.pairs:
            for name, section in (("views", self.views), ("brackets", self.brackets)):
                fields = [f"{name}.{field.name}" for field in dataclasses.fields(section)]
                found |= dict.fromkeys(fields, "with --pairs, which are taken as they are")
        return found
