"""What is asked for, the same for every picture."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from hdrcnn.batch.choose import PRECISION
from hdrcnn.batch.plan import Job
from hdrcnn.colour.clipping_level import AUTO
from hdrcnn.readers.photograph import MAX_MEGAPIXELS
from hdrcnn.writers import ALL_WRITERS, WRITERS, Options, Writer

PREVIEW_ENDINGS = ("_in.png", "_out.png", "_strip.png")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one run; `gamma` to `panorama` mean what they do for `Predictor.reconstruct`."""

    gamma: float = 1.0
    scaling: float | str = AUTO
    """A number switches the estimate of `clipping_level` off."""
    camera_curve: str | None = None
    """None: `transfer.DEFAULT_CURVE` where the weights are chosen too, else as stored with them."""
    width: int | None = None
    height: int | None = None
    resolution: str = "auto"
    gain_map: str = "use"
    """One of `readers.gain_map.CHOICES`."""
    panorama: bool = False
    """Every picture closes left and right, whether its file says so or not."""
    precision: str = PRECISION
    """Of the convolutions, as asked for; see `precision`."""
    primaries: bool = False
    """The results keep the primaries of their photographs. Else they are Rec. 709."""
    mask: bool = False
    """The results tell in three more channels how much of them is predicted."""
    max_stops: float | None = None
    """The largest value of the results, in stops above the clipping level."""
    formats: tuple[str, ...] = ("exr",)
    """Of `writers.WRITERS`, at least one."""
    options: Options = dataclasses.field(default_factory=Options)
    """How they are written."""
    report_room: int = 0
    """Bytes that a picture may take in the report; 0: there is none."""
    previews: bool = False
    exposure: float = -3.0
    """Of the previews, in stops."""
    max_megapixels: float = MAX_MEGAPIXELS
    overwrite: bool = False
    """Recompute every result, and replace files of other programs."""
    sequence: bool = False
    """The pictures of a folder are the frames of a film."""

    known: ClassVar[Mapping[str, Writer]] = WRITERS

    def __post_init__(self) -> None:
        if not self.formats or not set(self.formats) <= set(self.known):
            raise ValueError(f"formats {self.formats}: some of {', '.join(self.known)}")

    @property
    def endings(self) -> tuple[str, ...]:
        """Of all files written for a picture, those that tell of their making first."""
        return (*self.light_endings, *(PREVIEW_ENDINGS if self.previews else ()))

    @property
    def light_endings(self) -> tuple[str, ...]:
        """Of the files that hold the result itself, in the order asked for."""
        return tuple(ALL_WRITERS[name].ending for name in self.formats)

    def files(self, job: Job) -> dict[str, str]:
        """Where the files of a result are, by the names of their formats."""
        return {name: str(job.output(ALL_WRITERS[name].ending)) for name in self.formats}

    def links(self, job: Job) -> dict[str, str]:
        """The same by what people call the formats."""
        return {ALL_WRITERS[name].label: path for name, path in self.files(job).items()}

    def record(self) -> dict[str, Any]:
        """What a result depends on, as it is stored with it. Of the formats only how they are
        written: which of them are there is seen.
        """
        names = ("gamma", "scaling", "camera_curve", "width", "height", "resolution", "panorama",
                 "precision", "primaries", "mask", "max_stops", "sequence", "gain_map")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "options": dataclasses.asdict(self.options),
            "previews": self.exposure if self.previews else None,
        }
