"""Conversion of SDR film frames to PQ codes of BT.2020, by a formula or by a network.

    bt2446a, bt2446c   Report ITU-R BT.2446-1, methods A and C: a formula, the same for all frames
    curves             a formula that a network adapts to each film or frame: `film_curves`
    unet               the published U-Net
    hdrcnn             BT.1886 with SDR white at `white` cd/m^2, and above it the single-image
                       network's prediction of clipped highlights

Frames are display-encoded R'G'B', float32 in [0, 1], in the primaries of the film; results are PQ
codes, float32 in [0, 1]. Methods with parameters measure them on a reduced frame; parameters of
neighbouring frames are averaged within a shot (`averaged`) to avoid flicker.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from hdrcnn import weights
from hdrcnn.colour.bt2446 import PEAK, a_to_hdr, c_to_hdr
from hdrcnn.colour.pq import REC709_TO_REC2020, pq_signal
from hdrcnn.colour.primaries import REC709, REC2020, Chromaticities, rgb_to_xyz
from hdrcnn.colour.sdr import GAMMA
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.models import film_evidence
from hdrcnn.models.film_evidence import DECODE
from hdrcnn.models.metadata import FilmCurves, FilmUnet, Metadata
from hdrcnn.predict import backend, runtime
from hdrcnn.predict.film_curves import PARAMETERS, SEEN, FrameMap
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.resolution import RESOLUTIONS
from hdrcnn.tiles.stages import Network
from hdrcnn.tiles.tiling import Tiling

FILM_CURVES = weights.FOLDER / "film_curves.npz"
UNET = weights.FOLDER / "film_unet.npz"
REDUCED = SEEN
"""Approximate length, in pixels, of the longer side of the frame that parameters are measured
on."""
AVERAGED = 12
"""Number of frames on each side over which parameters are averaged; half a second at 24 fps."""
WHITE = 203.0
"""Luminance of diffuse white in cd/m^2: ITU-R BT.2408."""

Kind = TypeVar("Kind", bound=Metadata)
Convert = Callable[[np.ndarray], np.ndarray]
"""Function from codes [..., 3] to PQ codes of the same shape."""


GRAPHIC_WHITE = 0.985
"""Luma from which on a pixel may be the white of a graphic."""
NEAR_WHITE = (0.80, 0.965)
"""Range of luma just below white, as around a highlight."""
LEADING = (0.15, 0.21)
"""Ratio of the number of pixels near white to that of white ones: below the first, only graphics
are white; above the second, only light that the camera clipped. Text with strokes of 5 pixels has
0.12, from its smooth edges."""
ENOUGH = 2e-4
"""Share of white pixels from which on a frame has full weight."""
GRAPHICS = 2
"""Number of values that `graphics` returns."""


def graphics(luma: np.ndarray) -> np.ndarray:
    """Estimate whether the white in a frame is a graphic, such as subtitles or a logo.

    A highlight is surrounded by pixels near white, a graphic is not. luma: [h, w] Y' in [0, 1], at
    the size of the frame. Returns [GRAPHICS]: weight times probability of a graphic, and the
    weight, from 0 to 1. Both may be averaged over frames.
    """
    white = float((luma >= GRAPHIC_WHITE).mean())
    near = float(((luma >= NEAR_WHITE[0]) & (luma < NEAR_WHITE[1])).mean())
    weight = min(1.0, white / ENOUGH)
    sure = np.interp(near / max(white, 1e-9), LEADING, (1.0, 0.0))
    return np.array([weight * sure, weight])


def _brightest(parameters: np.ndarray, white: float, peak: float) -> float:
    """Peak of a frame in cd/m^2: lowered to diffuse white if the white in it is a graphic.

    parameters: the last `GRAPHICS` are the result of `graphics`; with fewer, `peak` is returned.
    """
    if len(parameters) < GRAPHICS or parameters[-1] < 1e-6 or peak <= white:
        return peak
    sure = float(parameters[-2] / parameters[-1])
    return peak * (white / peak) ** sure


@functools.lru_cache(maxsize=8)
def _matrix(here: Chromaticities, there: Chromaticities) -> np.ndarray:
    """Matrix between linear RGB of two sets of primaries, float32, for use as `rgb @ matrix`."""
    return np.linalg.solve(rgb_to_xyz(there), rgb_to_xyz(here)).T.astype(np.float32)


def _linear(codes: np.ndarray) -> np.ndarray:
    return np.power(codes, np.float32(GAMMA))


def as_rec709(codes: np.ndarray, primaries: Chromaticities) -> np.ndarray:
    """Convert R'G'B' of a film to Rec. 709, which the networks are trained for.

    Colours outside Rec. 709 are clipped to its gamut, channel by channel.
    """
    if np.allclose(primaries, REC709, rtol=0, atol=1e-4):
        return codes
    linear = np.clip(_linear(codes) @ _matrix(primaries, REC709), 0.0, 1.0)
    return np.power(linear, np.float32(1.0 / GAMMA))


class Formula:
    """Methods A and C as published: SDR white is 100 cd/m^2, the HDR peak is 1000 cd/m^2."""

    pointwise: ClassVar[bool] = True
    """Whether a pixel of the result depends only on the same pixel and the parameters."""
    parameters: ClassVar[int] = 0
    """Number of parameters of a frame, including those of `graphics`."""

    def __init__(self, name: str, primaries: Chromaticities) -> None:
        self._formula = {"bt2446a": a_to_hdr, "bt2446c": c_to_hdr}[name]
        self._matrix = _matrix(primaries, REC2020)

    def frame_parameters(self, reduced: np.ndarray) -> np.ndarray:
        """Parameters of a frame, without those of `graphics`, from the frame reduced to about
        `REDUCED` pixels. For `Curves` they are its evidence.
        """
        return np.empty(0)

    def converter(self, parameters: np.ndarray) -> Convert:
        """Function that converts a frame with these parameters."""
        return self._convert

    def _convert(self, codes: np.ndarray) -> np.ndarray:
        linear = _linear(codes) @ self._matrix
        return np.asarray(pq_signal(np.minimum(self._formula(linear), np.float32(PEAK))))


class Curves:
    """Network of the curves, and its maps. The parameters of a frame are its evidence."""

    pointwise: ClassVar[bool] = True

    def __init__(
        self, primaries: Chromaticities, white: float, peak: float, path: Path,
        device: str = "auto",
    ) -> None:  # fmt: skip
        """Raises WeightsError, DeviceError, BackendError."""
        self._network, arrays, found, _ = _network(path, FilmCurves, device, "evidence")
        self._decode = _arrays_of_decode(path, arrays, found)
        self.evidence = 2 * found.members * found.evidence
        self.parameters = self.evidence + GRAPHICS
        self._primaries, self._white, self._peak = primaries, white, peak
        self.directions = None if found.directions is None else np.array(found.directions)
        self.apart, self._members = found.apart, found.members

    def frame_parameters(self, reduced: np.ndarray) -> np.ndarray:
        codes = as_rec709(reduced, self._primaries)
        return self._network.whole(codes[None])[0]

    def decode(self, evidence: np.ndarray) -> np.ndarray:
        """Evidence of frames, shots or films, [N, evidence], to parameters [N, P] of
        `film_curves`.
        """
        return np.asarray(film_evidence.decode(evidence.astype(np.float64), self._decode))

    def differences(self, evidence: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Differences [N, L] between the evidence of frames [N, evidence] and others [L, evidence].

        They are around `apart` for two scenes in one grade.
        """
        return film_evidence.differences(evidence, others, self._members)

    def converter(self, parameters: np.ndarray) -> Convert:
        own, rest = parameters[: self.evidence], parameters[self.evidence :]
        mapped = FrameMap(
            self.decode(own[None])[0], self._white, _brightest(rest, self._white, self._peak)
        )
        return lambda codes: mapped(as_rec709(codes, self._primaries))


def _arrays_of_decode(
    path: Path, arrays: dict[str, np.ndarray], record: FilmCurves
) -> list[np.ndarray]:
    """Arrays for `film_evidence.decode`, checked because not every backend does so.

    Raises WeightsError if they are missing, not finite or of another shape.
    """
    if record.parameters != PARAMETERS:
        raise weights.WeightsError(
            f"{path}: has {record.parameters} parameters; curves need {PARAMETERS}"
        )
    wanted = film_evidence.shapes(PARAMETERS, record.width, record.members, record.evidence)
    found = []
    for name, shape in zip(DECODE, wanted, strict=True):
        array = arrays.get(f"decode/{name}")
        if array is None or array.shape != shape or not np.isfinite(array).all():
            raise weights.WeightsError(
                f"{path}: does not fit the network: decode/{name} is missing, not finite or of "
                f"another shape than {shape}"
            )
        found.append(array)
    return found


class Unet:
    """The published U-Net, computed in tiles with the same result as in one piece."""

    pointwise: ClassVar[bool] = False
    parameters: ClassVar[int] = 0

    def __init__(
        self, primaries: Chromaticities, peak: float, path: Path, device: str = "auto",
        tile_pixels: int | None = None,
    ) -> None:  # fmt: skip
        """Raises WeightsError, DeviceError, BackendError."""
        network, _, record, on_gpu = _network(path, FilmUnet, device)
        self._tiling = Tiling(network, runtime.tile_size(tile_pixels, on_gpu, record.channels))
        self._primaries, self._top = primaries, float(pq_signal(np.float64(peak)))

    def frame_parameters(self, reduced: np.ndarray) -> np.ndarray:
        return np.empty(0)

    def converter(self, parameters: np.ndarray) -> Convert:
        return self._convert

    def _convert(self, codes: np.ndarray) -> np.ndarray:
        picture = as_rec709(codes, self._primaries)
        # With a threshold below all codes, every pixel is computed.
        frame = Frame(picture, self._tiling.cell, threshold=-1.0, halo=self._tiling.halo)
        signal = np.empty(picture.shape, np.float32)
        for piece, part in RESOLUTIONS["native"](frame, self._tiling):
            signal[piece.within(frame.picture)] = part
        return np.clip(signal, 0.0, self._top, out=signal)


class Highlights:
    """The single-image network with its weights for film.

    Unclipped samples are decoded by BT.1886, with SDR white at diffuse white. Clipped ones are
    multiplied by the gain that the network predicts. Pixels above the peak are scaled down to it,
    with their hue kept.
    """

    pointwise: ClassVar[bool] = False
    parameters: ClassVar[int] = GRAPHICS

    def __init__(
        self, primaries: Chromaticities, white: float, peak: float, path: Path,
        device: str = "auto",
    ) -> None:  # fmt: skip
        """Raises WeightsError, DeviceError, BackendError."""
        from hdrcnn.predict import single_image

        self._predictor = single_image.load(
            path, precision="auto", device=device, camera_curve="srgb"
        )
        self._primaries, self._white, self._peak = primaries, white, peak

    def frame_parameters(self, reduced: np.ndarray) -> np.ndarray:
        return np.empty(0)

    def converter(self, parameters: np.ndarray) -> Convert:
        peak = _brightest(parameters, self._white, self._peak)
        return functools.partial(self._convert, peak=peak)

    def _convert(self, codes: np.ndarray, peak: float) -> np.ndarray:
        picture = as_rec709(codes, self._primaries)
        # A clipping level detected for each frame would flicker, so 1.0 is white in every one.
        light = self._predictor.reconstruct(picture, scaling=1.0)
        gain = light / np.maximum(srgb_decode(picture), np.float32(1e-4))
        light = np.float32(self._white) * _linear(picture) * np.maximum(gain, np.float32(1.0))
        light = light @ REC709_TO_REC2020.T.astype(np.float32)
        largest = np.maximum(light.max(axis=-1, keepdims=True), np.float32(1e-6))
        light *= np.minimum(np.float32(1.0), np.float32(peak) / largest)
        return np.asarray(pq_signal(light))


Method = Formula | Curves | Unet | Highlights


def _network(
    path: Path, kind: type[Kind], device: str, output: str | None = None
) -> tuple[Network, dict[str, np.ndarray], Kind, bool]:
    """Network, arrays and metadata of a weights file, and whether a GPU computes it."""
    arrays, record = weights.load(path)
    found = weights.expect_kind(arrays, record, kind, str(path))
    on_gpu = backend.prepare(device)
    network = backend.network(path, arrays, found, on_gpu=on_gpu, output=output)
    return network, arrays, found, on_gpu


def weights_of(name: str, params: Path | None = None) -> Path | None:
    """Weights file of a method, or None if it has none. params: used instead of the shipped one."""
    usual = {
        "curves": FILM_CURVES,
        "unet": UNET,
        "hdrcnn": weights.VIDEO if weights.VIDEO.is_file() else weights.SHIPPED,
    }.get(name)
    return None if usual is None else params or usual


METHODS = ("curves", "unet", "bt2446a", "bt2446c", "hdrcnn")


def method(
    name: str, primaries: Chromaticities, white: float = WHITE, peak: float = PEAK,
    params: Path | None = None, device: str = "auto",
) -> Method:  # fmt: skip
    """Create one of `METHODS` for a film with the given primaries.

    white, peak: luminance of diffuse white and of the brightest light in cd/m^2, for methods that
    have them. Raises WeightsError, DeviceError, BackendError.
    """
    path = weights_of(name, params)
    if path is None:
        return Formula(name, primaries)
    if name == "unet":
        return Unet(primaries, peak, path, device)
    kind = Curves if name == "curves" else Highlights
    return kind(primaries, white, peak, path, device)


def averaged(parameters: Sequence[np.ndarray], cut_before: Sequence[bool], here: int) -> np.ndarray:
    """Parameters of frame `here`, averaged over frames of its shot with a Hann window.

    parameters: [P] of consecutive frames; cut_before: whether a cut precedes each. The window
    reaches up to `AVERAGED` frames to each side, but never across a cut.
    """
    first = last = here
    while first > 0 and here - first < AVERAGED and not cut_before[first]:
        first -= 1
    while last + 1 < len(parameters) and last - here < AVERAGED and not cut_before[last + 1]:
        last += 1
    places = np.arange(first, last + 1)
    share = np.cos(np.pi / 2.0 * (places - here) / (AVERAGED + 1)) ** 2
    return np.asarray(np.average(np.asarray(parameters[first : last + 1]), axis=0, weights=share))
