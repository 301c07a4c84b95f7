"""Settings of the training of the two-frame network; no Keras here."""

import dataclasses

from training_code.tasks import settings
from training_code.tasks.fusion_settings import FusionConfig
from training_code.tasks.settings import setting

MS_SSIM_SMALLEST = 161
"""Smallest side of a crop in pixels for MS-SSIM, as in `losses.fusion`."""


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the loss terms. The published system names its five terms without weights."""

    rgb_l1: float = 1.0
    luminance_l1: float = 0.5
    ms_ssim: float = 0.84
    chroma_l1: float = 0.5
    histogram_l1: float = 0.1


@dataclasses.dataclass(frozen=True)
class Config(FusionConfig):
    """Settings of the training on an under- and an over-exposed frame of a scene and its
    well-exposed picture.
    """

    size: int = setting(168, "Side of the training crops in pixels, a multiple of 8.")
    pairs: str = setting(
        "",
        "Folder with gt/, under/ and over/, photographs of the same name in all three, used "
        "instead of simulated brackets; give --photographs FOLDER/gt too, which selects the names.",
    )
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.terms.ms_ssim and self.size < MS_SSIM_SMALLEST:
            raise ValueError(f"--size {self.size}: MS-SSIM needs {MS_SSIM_SMALLEST} pixels a side")

    def unused(self) -> dict[str, str]:
        found = {"brackets.frames": "with --task=fusion_supervised, which takes two frames"}
        if self.pairs:
            for name, section in (("views", self.views), ("brackets", self.brackets)):
                fields = [f"{name}.{field.name}" for field in dataclasses.fields(section)]
                found |= dict.fromkeys(fields, "with --pairs, which are used as they are")
        return found
