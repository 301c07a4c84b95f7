"""The rows of the evaluation: what is compared, each as a function of one photograph.

Always there: the photograph itself under three linearisations (doing nothing), the classical
operators, and perfect highlights as the ceiling: with the mean curve, as a network that leaves
the rest of the photograph alone would give them, and with the curve corrected too. Then weights
files and folders of EXR files from any other tool. Where it is asked for, the photograph and the
weights also with the camera curve that is estimated of each photograph.
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn.colour.transfer import linearise
from hdrcnn.files import ImageError
from hdrcnn.predict.blend import saturation
from hdrcnn.readers.hdr import read_exr
from training_code.evaluation.camera_response import correct_camera_response
from training_code.evaluation.classical import OPERATORS
from training_code.evaluation.metrics import absolute_factor, align
from training_code.evaluation.shots import Shot

if TYPE_CHECKING:
    from hdrcnn.predict.camera_curve import CurveEstimator

DO_NOTHING = {
    "input squared": "square",
    "input inverse sRGB": "srgb",
    "input inverse mean curve": "mean_curve",
}
"""Rows that only linearise the photograph, and how."""

PERFECT = "perfect highlights"
CEILING = "perfect highlights and curve"
CEILINGS = (PERFECT, CEILING)
"""Rows that look at the truth."""

ESTIMATED = "input estimated curve"
ESTIMATED_SUFFIX = " estimated curve"
"""Rows with the camera curve of each photograph estimated: the photograph, and each weights file
beside its own row.
"""

Predict = Callable[[Shot, np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Method:
    """A row. predict: (shot, code, truth) to [H, W, 3] linear in any unit; code and truth as
    `Shot.load` gives them; only `CEILINGS` look at the truth.
    """

    name: str
    predict: Predict
    network: bool = False
    """Runs a network: called from one thread only."""


@dataclasses.dataclass(frozen=True)
class Named:
    """NAME=PATH as given on a command line."""

    name: str
    path: Path


def parse_named(text: str, default: str | None = None) -> Named:
    """`NAME=PATH`; where there is a default name, `PATH` alone too. Raises ValueError."""
    name, equals, path = text.partition("=")
    if equals and name and path and "/" not in name:
        return Named(name, Path(path))
    if default is None:
        raise ValueError(f"{text!r}: NAME=DIR is needed, such as --pred=other=out/other")
    return Named(default, Path(text))


def perfect_highlights(code: np.ndarray, truth: np.ndarray, curve: bool = False) -> np.ndarray:
    """Truth where alpha > 0, elsewhere the photograph by the inverse mean curve.

    code, truth: [H, W, 3]. alpha: `clipping_level.saturation`, of a pixel's largest channel. The
    photograph is first aligned to the truth by the gain of the metrics, so that the two fit
    together. Where the camera's curve is far from the mean, a step is left between them, which
    no correction of the whole image can mend: such an image can score below its input.
    curve: also correct the photograph's camera response (Hanji et al. 2022), fitted where alpha
        is 0. What is left is noise, 8 bits and compression: the ceiling of what highlights and
        one curve for an image can reach.
    Returns [H, W, 3] in the unit of the truth.
    """
    code, truth = np.asarray(code, np.float64), np.asarray(truth, np.float64)
    light = align(linearise(code, "mean_curve"), truth, code)
    kept = saturation(code)[..., 0] == 0
    if curve and kept.any():
        factor = absolute_factor(truth)
        fitted = correct_camera_response(light[None, kept] * factor, truth[None, kept] * factor)
        light[kept] = fitted[0] / factor
    return np.where(kept[..., None], light, truth)


def _linearised(linearisation: str) -> Predict:
    return lambda shot, code, truth: linearise(code.astype(np.float64), linearisation)


def _operator(operator: Callable[[np.ndarray], np.ndarray]) -> Predict:
    return lambda shot, code, truth: operator(code)


def _weights(named: Named, estimator: "CurveEstimator | None") -> list[Method]:
    """The row of a weights file, and with an estimator the row with estimated curves."""
    from hdrcnn.predict.single_image import load

    predictor = load(named.path)
    found = [
        Method(
            named.name,
            lambda shot, code, truth: predictor.reconstruct(code, resolution="native"),
            True,
        )
    ]
    if estimator is not None:

        def estimated(shot: Shot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
            curve = estimator.estimate(code)
            return predictor.reconstruct(code, camera_curve=curve, resolution="native")

        found.append(Method(named.name + ESTIMATED_SUFFIX, estimated, True))
    return found


def _estimated(estimator: "CurveEstimator | None") -> list[Method]:
    """The row of the photograph by its estimated curve, with an estimator."""
    if estimator is None:
        return []

    def predict(shot: Shot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return linearise(code.astype(np.float64), estimator.estimate(code))

    return [Method(ESTIMATED, predict, network=True)]


def prediction_path(folder: Path, shot: Shot, single: bool) -> Path:
    """Where a folder holds its result for a photograph: below the condition's name, or, with a
    single condition, also in the folder itself.
    """
    name = f"{shot.view}.exr"
    flat = folder / name
    nested = folder / shot.condition.name / name
    return flat if single and not nested.is_file() else nested


def missing_predictions(folder: Named, shots: Iterable[Shot], single: bool) -> str | None:
    """One line naming what a folder lacks; None where it is complete."""
    paths = [prediction_path(folder.path, shot, single) for shot in shots]
    missing = [path for path in paths if not path.is_file()]
    if not missing:
        return None
    shown = ", ".join(path.relative_to(folder.path).as_posix() for path in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"{folder.path}: {folder.name} lacks {len(missing)} of {len(paths)} results: "
        f"{shown}{more}; run it on the pictures below ldr/"
    )


def _folder(folder: Path, single: bool) -> Predict:
    def predict(shot: Shot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
        path = prediction_path(folder, shot, single)
        hdr = read_exr(path)
        if hdr.shape != code.shape:
            raise ImageError(
                f"{path}: {hdr.shape[1]}x{hdr.shape[0]} pixels, but the photograph has "
                f"{code.shape[1]}x{code.shape[0]}; results must keep its size"
            )
        return hdr

    return predict


def build_methods(
    params: list[Named], folders: list[Named], single: bool, curves: Path | None = None
) -> list[Method]:
    """All rows in the order of the table. single: one condition is evaluated. curves: weights of
    the network that estimates camera curves; without it the rows that need it are left out.

    Raises ValueError where two rows share a name, WeightsError if weights cannot be used.
    """
    estimator = None
    names = [*DO_NOTHING, *OPERATORS, *CEILINGS, *(named.name for named in [*params, *folders])]
    if curves is not None:
        from hdrcnn.predict.camera_curve import load

        estimator = load(curves)
        names += [ESTIMATED, *(named.name + ESTIMATED_SUFFIX for named in params)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two rows are called {name!r}; give one another name: NAME=PATH")
    return [
        *(Method(name, _linearised(how)) for name, how in DO_NOTHING.items()),
        *(Method(name, _operator(operator)) for name, operator in OPERATORS.items()),
        *_estimated(estimator),
        *(method for named in params for method in _weights(named, estimator)),
        *(Method(named.name, _folder(named.path, single)) for named in folders),
        Method(PERFECT, lambda shot, code, truth: perfect_highlights(code, truth)),
        Method(CEILING, lambda shot, code, truth: perfect_highlights(code, truth, curve=True)),
    ]
