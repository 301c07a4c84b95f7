"""Settings of the training of the film networks; no Keras here."""

import dataclasses

from hdrcnn.models import metadata
from training_code.camera.clips import VIEWS
from training_code.camera.grades import check_names
from training_code.scenes.views import Views
from training_code.tasks import settings
from training_code.tasks.settings import Schedule, check_chosen, setting

NETWORKS = ("curves", "unet")
GRADES = (
    *("reinhard", "moebius", "bt2446a", "bt2446c", "camera"),
    *("mixed", "mixed"),
    *("sigmoid", "sigmoid", "sigmoid", "sigmoid"),
    *("clipped", "clipped"),
)
"""Grades that are trained on; hable and srgb are reserved for evaluation."""
STRIDE = metadata.FilmUnet.stride


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the terms of the loss; terms with a weight other than 0 are logged. SSIM alone, or
    MSE alone, is published.
    """

    ssim: float = 0.2
    mse: float = 0.0
    l1: float = 1.0
    delta_e_itp: float = 1.0
    """Colour difference without its factor 720."""
    aligned: float = 0.0
    """L1 and colour difference after aligning each frame by one gain."""
    rmse: float = 0.0
    """Root of the mean squared difference."""
    aligned_rmse: float = 0.0
    """The same after aligning each frame by one gain."""
    bend: float = 0.0
    """Curves only: mean squared difference of neighbouring slopes."""
    temporal: float = 0.0
    """U-Net only: difference of the changes from frame to frame."""


@dataclasses.dataclass(frozen=True)
class Clips:
    """How clips are taken of scenes. A look is one clip before grading."""

    looks: int = 1200
    """Number of looks, rendered once, before the training. For the U-Net, a look gets another grade
    each time it is used."""
    repeats: int = 8
    """Curves only: number of grades of each look, all applied before the training."""
    alike: int = 12
    """Curves only: number of looks that share a grade, like the shots of a film; sets are drawn
    from them."""
    share: float = 0.5
    """Share of looks in the training data if pairs are given; the others are such pairs. 0: no
    looks."""
    grades: tuple[str, ...] = GRADES
    """Names from `camera.grades`; a name that is given twice is drawn twice as often."""
    crf: tuple[int, int] = (18, 35)
    """Range of the CRF of x264, from best to worst quality."""
    compressed: float = 0.8
    """Share of the clips that are compressed."""

    def __post_init__(self) -> None:
        if not 1 <= self.looks <= 100_000 or not 1 <= self.repeats <= 1000:
            raise ValueError("clips: looks in 1..100000 and repeats in 1..1000 are needed")
        if not 1 <= self.alike <= 1000:
            raise ValueError("clips: alike in 1..1000 is needed")
        if not 0.0 <= self.share <= 1.0:
            raise ValueError("clips: share in 0..1 is needed")
        check_names(self.grades)
        if not 0 <= self.crf[0] <= self.crf[1] <= 51 or not 0.0 <= self.compressed <= 1.0:
            raise ValueError(
                "clips: crf, two ascending numbers in 0..51, and compressed in 0..1 are needed"
            )


@dataclasses.dataclass(frozen=True)
class Config(Schedule):
    """Settings of the training from SDR film to HDR by curves or by the published U-Net."""

    network: str = setting("curves", f"Network to train: {' or '.join(NETWORKS)}.")
    batch: int = setting(4, "Batch size: for curves in rows, for the U-Net in clips of two frames.")
    epochs: int = setting(12, "Number of epochs, each of --steps batches.")
    steps: int = setting(100, "Batches in an epoch.")
    learning_rate: float = setting(1e-3, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    average: float = setting(
        0.99, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    width: int = setting(96, "Channels of the curves' hidden layers.")
    members: int = setting(4, "Curves: networks trained side by side whose outputs are averaged.")
    evidence: int = setting(32, "Curves: numbers by which each member describes a frame.")
    dropout: float = setting(0.2, "Curves: share of the hidden channels left out while training.")
    jitter: float = setting(
        0.1, "Curves: standard deviation of noise on the standardised statistics."
    )
    base_channels: int = setting(64, "Channels of the U-Net's first block; 64 is published.")
    size: int = setting(
        160, "Height of the frames in pixels, a multiple of 32; they are 16:9 or slightly narrower."
    )
    pairs: str = setting(
        "", "Folder of paired pictures, published layout or sdr/ and hdr/, used besides clips."
    )
    videos: str = setting(
        "", "Folder with sdr/ and hdr/, films of the same name in both, used besides clips."
    )
    views: Views = VIEWS
    clips: Clips = Clips()
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_chosen("network", self.network, NETWORKS)
        if self.size < 64 or self.size % STRIDE:
            raise ValueError(f"--size {self.size}: must be a multiple of {STRIDE}, at least 64")
        self.check_least(base_channels=1, width=1, members=1, evidence=1, jitter=0.0)
        self.check_share("dropout")
        if not (self.clips.share or self.pairs or self.videos):
            raise ValueError("clips.share 0: give --pairs or --videos, or take clips of scenes")
        if self.views.kinds is not None:
            raise ValueError("views.kinds: clips are taken of all families equally; leave it out")
        if self.network == "curves" and self.batch < self.members:
            raise ValueError(
                f"--batch {self.batch}: each of the {self.members} --members learns from rows of "
                "its own; give at least as many rows"
            )
        if self.terms.bend and self.network != "curves":
            raise ValueError("terms.bend: only curves have slopes; leave it at 0")
        if self.terms.temporal and self.network == "curves":
            raise ValueError("terms.temporal: curves are trained on single frames; leave it at 0")

    def unused(self) -> dict[str, str]:
        if self.network == "unet":
            names = "width", "members", "evidence", "dropout", "jitter"
            names_of_clips = "clips.repeats", "clips.alike"
            found = dict.fromkeys((*names, *names_of_clips), "without --network=curves")
        else:
            found = {"base_channels": "without --network=unet"}
        if not (self.pairs or self.videos):
            found["clips.share"] = "without --pairs or --videos"
        if not self.clips.compressed:
            found["clips.crf"] = "while clips.compressed is 0"
        return found

    @property
    def columns(self) -> int:
        """Width of the frames, a multiple of the stride."""
        return self.size * 16 // 9 // STRIDE * STRIDE
