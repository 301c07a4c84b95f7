"""Metadata stored with the arrays of a weights file: one class for each network.

A record contains what is needed to build and to use its network, and nothing else. It does not need
Keras, because files are checked before a network is built. To add a network, write a module that
exports `build`, a class here, and add the class to `KINDS`.
"""

import dataclasses
import importlib
import math
from typing import Any, ClassVar

MAX_WIDTH = 256
"""Largest number of channels of a network's first block: four times that of published HDRCNN."""


def check_count(name: str, value: Any, most: int) -> None:
    """Raise ValueError unless a value from a file is an integer from 1 to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{name} {value!r} is not a whole number from 1 to {most}")


def text(name: str, value: Any) -> None:
    """Raise ValueError unless a value from a file is a string."""
    if not isinstance(value, str):
        raise ValueError(f"{name} {value!r} is no text")


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Base class of all records. Raises ValueError for values of a wrong type or out of range."""

    model: ClassVar[str]
    """Module of `hdrcnn.models` that builds the network."""
    takes: ClassVar[str]
    """Input of the network: shape, range, linear or encoded."""
    gives: ClassVar[str]
    """Output of the network."""
    build_fields: ClassVar[tuple[str, ...]]
    """Fields that are arguments of the network's `build`."""
    width_field: ClassVar[str]
    """The one of them that contains the number of channels of the first block."""
    max_width: ClassVar[int] = MAX_WIDTH
    """Largest number of these channels."""
    stride: ClassVar[int] = 1
    """Height and width of the input have to be multiples of it."""
    retired: ClassVar[tuple[str, ...]] = ()
    """Fields of older files that are ignored."""

    training: dict[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)
    """Facts about the training: configuration, scenes, steps, losses."""

    def __post_init__(self) -> None:
        if not isinstance(self.training, dict):
            raise ValueError("training is no record")
        check_count(self.width_field, getattr(self, self.width_field), self.max_width)

    @property
    def inner(self) -> tuple[str, ...]:
        """Names of layers whose output is used in addition to that of the network."""
        return ()

    def options(self) -> dict[str, Any]:
        """Arguments of the network's `build`."""
        return {name: getattr(self, name) for name in self.build_fields}

    @property
    def channels(self) -> int:
        """Number of channels of the first block."""
        return int(getattr(self, self.width_field))

    def build(self) -> Any:
        """Build a `keras.Model` with initial weights under the current Keras dtype policy."""
        return importlib.import_module(f"hdrcnn.models.{self.model}").build(**self.options())

    def as_record(self) -> dict[str, Any]:
        """Convert to a JSON-serialisable dictionary; `read` is the inverse."""
        domains = {"takes": self.takes, "gives": self.gives}
        return {"model": self.model, **domains, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Hdrcnn(Metadata):
    """The single-image network."""

    model = "hdrcnn"
    build_fields, width_field = ("width",), "width"
    stride = 32
    takes = "[N, H, W, 3] float32 in [0, 1], display-encoded; H and W multiples of 32"
    gives = "[N, H, W, 3] float32, y = log(H + 1/255), H linear with 1.0 = clipping level"

    width: int
    """Channels of the first block."""
    linearisation: str
    """Linearisation of unsaturated codes, one of `colour.transfer.LINEARISATIONS`."""
    blend: str
    """Blend of photograph and prediction, one of `predict.blend.BLENDS`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        text("linearisation", self.linearisation)
        text("blend", self.blend)


@dataclasses.dataclass(frozen=True)
class CameraCurve(Metadata):
    """The network that estimates the camera curve of a photograph."""

    model = "camera_curve"
    build_fields, width_field, max_width = ("size", "width", "members"), "width", 4096
    takes = "[N, F] float32, statistics of display-encoded pictures"
    gives = "[N, 5] float32: n, s of the response curve, probabilities of its kinds"

    size: int
    """Number F of statistics in a row."""
    width: int = 64
    """Channels of the hidden layers."""
    members: int = 4
    """Number of networks that are averaged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("size", "members"):
            check_count(name, getattr(self, name), 4096)


@dataclasses.dataclass(frozen=True)
class Fusion(Metadata):
    """Exposure fusion: weight maps for any number of frames, or one image from two frames."""

    model = "fusion"
    build_fields, width_field = ("base_channels", "pair"), "base_channels"
    stride = 8
    takes = (
        "[N, K, H, W, 3] float32 in [0, 1], display-encoded; H and W multiples of 8; of a pair K "
        "is 2, under and over"
    )
    gives = (
        "[N, K, H, W, 1] float32, weights of a blend in a Laplacian pyramid, sum 1 over K; of a "
        "pair [N, H, W, 3] float32, display-encoded, each sample between those of the frames"
    )

    base_channels: int = 8
    """Channels of the first block."""
    pair: bool = False
    """Whether it is the supervised network for two frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.pair, bool):
            raise ValueError(f"pair {self.pair!r} is neither true nor false")

    @property
    def inner(self) -> tuple[str, ...]:
        """The layer with the weights of the frames, for a pair."""
        return ("weights",) if self.pair else ()


@dataclasses.dataclass(frozen=True)
class ExposureGan(Metadata):
    """The published network from one photograph to five exposures."""

    model = "exposure_gan"
    build_fields, width_field = ("base_channels",), "base_channels"
    stride = 4
    takes = "[N, H, W, 3] float32 in [0, 1], display-encoded; H and W multiples of 4"
    gives = (
        "[N, 5, H, W, 3] float32 in [0, 1], display-encoded exposures, darkest first, the middle "
        "one that of the picture"
    )

    base_channels: int = 64
    """Channels of the first block."""
    spacing: float = 2.0
    """Stops from one exposure to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.spacing, int | float) or not 0.0 < self.spacing <= 10.0:
            raise ValueError(f"spacing {self.spacing!r} is not a number above 0, at most 10")

    @property
    def inner(self) -> tuple[str, ...]:
        """The layer before exposures are separated, whose output has 15 channels."""
        return ("up1",)


@dataclasses.dataclass(frozen=True)
class ExposureStack(Metadata):
    """The network that restores dark parts; brighter samples are returned unchanged."""

    model = "exposure_stack"
    build_fields, width_field = ("base_channels",), "base_channels"
    stride = 4
    takes = "[N, H, W, 3] float32 in [0, 1], display-encoded; H and W multiples of 4"
    gives = "[N, H, W, 3] float32 at least 0, display-encoded; codes from 0.3 on as they were"
    light: ClassVar[float] = 0.3
    """Code from which on samples are not changed. Four stops brighter, it is clipped."""

    base_channels: int = 16
    """Channels at half the size."""


@dataclasses.dataclass(frozen=True)
class FilmUnet(Metadata):
    """SDR film to HDR by the published U-Net."""

    model = "film_unet"
    build_fields, width_field = ("base_channels",), "base_channels"
    stride = 32
    takes = "[N, H, W, 3] float32 in [0, 1], codes of Rec. 709; H and W multiples of 32"
    gives = "[N, H, W, 3] float32, PQ codes of BT.2020"

    base_channels: int = 64
    """Channels of the first block."""


@dataclasses.dataclass(frozen=True)
class FilmCurves(Metadata):
    """SDR film to HDR by a formula that a network adapts to each film or frame."""

    model = "film_curves"
    build_fields = ("parameters", "width", "members", "evidence")
    width_field, max_width = "width", 4096
    retired = ("spread",)
    takes = "[N, h, w, 3] float32 in [0, 1], codes of Rec. 709 of reduced frames"
    gives = "[N, P] float32, parameters of the map of each frame, 0: the formula"

    parameters: int
    """Number P of parameters of a frame."""
    width: int
    """Channels of the hidden layers."""
    members: int
    """Number of networks that are averaged."""
    evidence: int = 0
    """Number K of values that each member estimates for a frame; at least 1. Older files, which can
    no longer be used, do not have it."""
    directions: tuple[tuple[float, ...], ...] | None = None
    """[D][parameters], directions that separate guesses for different grades. They are used to pool
    the shots of a film (`hdrcnn.predict.film_grade.Grades`); None: not measured."""
    apart: float | None = None
    """Median of `film_evidence.differences` between frames of two scenes in one grade; measured
    together with the directions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evidence == 0:
            raise ValueError(
                "evidence is missing: weights of a version that could not pool frames; train them "
                "again (hdrcnn_train.py --task=film), or use the shipped ones"
            )
        for name in ("parameters", "members", "evidence"):
            check_count(name, getattr(self, name), 4096)
        if (self.directions is None) != (self.apart is None):
            raise ValueError("directions and apart belong together; one of them is missing")
        if self.directions is None:
            return
        if not isinstance(self.apart, int | float) or not 0.0 < self.apart < math.inf:
            raise ValueError(f"apart {self.apart!r} is no number above 0")
        if not isinstance(self.directions, list | tuple) or not self.directions:
            raise ValueError("directions is no list of lists of numbers")
        for direction in self.directions:
            if not isinstance(direction, list | tuple) or len(direction) != self.parameters:
                raise ValueError(f"directions are no lists of {self.parameters} numbers")
            for value in direction:
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise ValueError(f"directions: {value!r} is no finite number")
        # JSON has no tuples.
        kept = tuple(tuple(map(float, direction)) for direction in self.directions)
        object.__setattr__(self, "directions", kept)

    @property
    def inner(self) -> tuple[str, ...]:
        """The layer with the evidence, which can be summed over the frames in one grade."""
        return ("evidence",)


KINDS = (Hdrcnn, CameraCurve, Fusion, ExposureGan, ExposureStack, FilmUnet, FilmCurves)
MODELS: dict[str, type[Metadata]] = {kind.model: kind for kind in KINDS}
"""Classes by the model name that is stored with the weights."""


def read(record: dict[str, Any]) -> Metadata:
    """Create metadata from the result of `as_record`, or from older files without takes and gives.

    Raises ValueError that names what is missing, unknown or of a wrong type.
    """
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}, no record")
    fields = dict(record)
    name = fields.pop("model", Hdrcnn.model)
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"unknown network {name!r}; known: {', '.join(MODELS)}")
    kind = MODELS[name]
    for domain in ("takes", "gives"):
        if fields.pop(domain, getattr(kind, domain)) != getattr(kind, domain):
            raise ValueError(f"a network that {domain} something else than {name} here")
    for retired in kind.retired:
        fields.pop(retired, None)
    known = {field.name: field for field in dataclasses.fields(kind)}
    missing = [n for n, f in known.items() if n not in fields and _needed(f)]
    for names, what in ((missing, "is missing"), (sorted(fields.keys() - known), "is unknown")):
        if names:
            raise ValueError(f"{names[0]!r} {what}")
    return kind(**fields)


def _needed(field: "dataclasses.Field[Any]") -> bool:
    none = dataclasses.MISSING
    return field.default is none and field.default_factory is none
