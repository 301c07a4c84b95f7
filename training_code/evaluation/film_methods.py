"""Methods that convert SDR film to HDR: formulas, those of `hdrcnn film`, and networks.

A method takes the shots of a film, uint8 codes of Rec. 709, [T, H, W, 3] each, and returns PQ codes
of BT.2020, float32, of the same shapes.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hdrcnn import weights
from hdrcnn.colour.bt2446 import PEAK
from hdrcnn.colour.pq import pq_signal
from hdrcnn.colour.primaries import REC709
from hdrcnn.colour.sdr import bt1886, sdr_linear
from hdrcnn.models.metadata import FilmUnet
from hdrcnn.predict import film, film_curves, film_grade
from training_code.camera.grades import RANGE, WHITE, inverse_reinhard, on_largest

Method = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def _codes(frames: np.ndarray) -> np.ndarray:
    return frames.astype(np.float32) / np.float32(255.0)


def light_method(formula: Callable[[np.ndarray], np.ndarray]) -> Method:
    """Method from a formula that maps codes to cd/m^2; its result is clipped to [0, `PEAK`]."""

    def convert(frames: np.ndarray) -> np.ndarray:
        return np.asarray(pq_signal(np.clip(formula(_codes(frames)), 0.0, np.float32(PEAK))))

    return lambda shots: [convert(frames) for frames in shots]


def reinhard_back(code: np.ndarray) -> np.ndarray:
    """Apply inverse Reinhard to the largest channel, so that SDR white becomes the peak."""
    linear = np.clip(sdr_linear(code), 0.0, 1.0)
    return np.float32(WHITE) * on_largest(lambda y: inverse_reinhard(y, RANGE), linear)


def program_method(name: str) -> Method:
    """Method from a formula of `hdrcnn film`, by its name there."""
    convert = film.method(name, REC709).converter(np.empty(0))
    return lambda shots: [np.stack([convert(c) for c in _codes(frames)]) for frames in shots]


def formulas() -> dict[str, Method]:
    """Return all formulas by their names in the tables."""
    return {
        "BT.2446-A": program_method("bt2446a"),
        "BT.2446-C": program_method("bt2446c"),
        "Reinhard inverse": light_method(reinhard_back),
        "BT.1886, 100": light_method(bt1886),
        "BT.1886, 203": light_method(lambda code: bt1886(code, WHITE)),
    }


EACH_FRAME, EACH_SHOT, WHOLE_FILM = "frame by frame", "shot by shot", "whole film"


def curves(path: Path, of: str) -> Method:
    """Method of the curves network. of: what is converted by parameters of its own, EACH_FRAME,
    EACH_SHOT (as `hdrcnn film --grade=shot`), or WHOLE_FILM (the default of `hdrcnn film`: shots
    are pooled where they appear to share a grade). Raises WeightsError.
    """
    method = film.Curves(REC709, film.WHITE, PEAK, path, "cpu")

    def mapped(frames: np.ndarray, evidence: Sequence[np.ndarray]) -> np.ndarray:
        parameters = method.decode(np.asarray(evidence))
        return np.stack(
            [film_curves.FrameMap(p)(frame) for p, frame in zip(parameters, frames, strict=True)]
        )

    def convert(shots: Sequence[np.ndarray]) -> list[np.ndarray]:
        looks = [
            [method.frame_parameters(film_curves.reduced(f)) for f in frames] for frames in shots
        ]
        found = looks
        if of != EACH_FRAME:
            found = [
                [film.averaged(own, [False] * len(own), here) for here in range(len(own))]
                for own in looks
            ]
        if of == WHOLE_FILM:
            grades = film_grade.Grades(
                np.concatenate(looks), np.arange(sum(map(len, looks))), method
            )
            times = itertools.count()
            found = [[grades.pool(evidence, next(times)) for evidence in own] for own in found]
        return [mapped(frames, own) for frames, own in zip(shots, found, strict=True)]

    return convert


def unet(path: Path) -> Method:
    """Method of a U-Net file; it takes whole frames with H and W multiples of 32. Raises
    WeightsError.
    """
    arrays, record = weights.load(path)
    network = weights.expect_kind(arrays, record, FilmUnet, str(path)).build()
    weights.assign(network, arrays, str(path))

    def convert(frames: np.ndarray) -> np.ndarray:
        found = [np.asarray(network(_codes(frame[None]), training=False))[0] for frame in frames]
        return np.clip(np.stack(found), 0.0, 1.0)

    return lambda shots: [convert(frames) for frames in shots]


def load_methods(name: str, path: Path) -> dict[str, Method]:
    """Methods of a weights file by row name; `WHOLE_FILM` only if the file contains the directions
    of `film_directions.py`. Raises WeightsError.
    """
    record = weights.load(path)[1]
    if record.model == FilmUnet.model:
        return {name: unet(path)}
    pooled = (WHOLE_FILM,) if getattr(record, "directions", None) else ()
    return {f"{name}, {of}": curves(path, of) for of in (*pooled, EACH_SHOT, EACH_FRAME)}
