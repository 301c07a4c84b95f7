"""The rows of the evaluation: the methods that are compared, each a function of one photograph.

Always included are the photograph itself under three linearisations (doing nothing), the classical
operators, and perfect highlights as the ceiling: with the mean curve, as by a perfect network that
leaves the rest of the photograph unchanged, and with the camera curve corrected too. Weights files
and folders of EXR files of any other tool are added. On request, the photograph and the weights
are also evaluated with a camera curve estimated for each photograph.
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
from training_code.evaluation.shots import StoredShot

if TYPE_CHECKING:
    from hdrcnn.predict.camera_curve import CurveEstimator

DO_NOTHING = {
    "input squared": "square",
    "input inverse sRGB": "srgb",
    "input inverse mean curve": "mean_curve",
}
"""Rows that only linearise the photograph, with the linearisation of each."""

PERFECT = "perfect highlights"
CEILING = "perfect highlights and curve"
CEILINGS = (PERFECT, CEILING)
"""Rows that use the truth."""

ESTIMATED = "input estimated curve"
ESTIMATED_SUFFIX = " estimated curve"
"""Names of the rows with estimated camera curves: the photograph itself, and the suffix that is
added to the name of each weights file.
"""

Predict = Callable[[StoredShot, np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Method:
    """A row of the evaluation.

    predict: takes (shot, code, truth) to [H, W, 3], linear, any unit; code and truth as returned
    by `StoredShot.load`. Only `CEILINGS` use the truth.
    """

    name: str
    predict: Predict
    network: bool = False
    """Whether it runs a network, and so is called from one thread only."""


@dataclasses.dataclass(frozen=True)
class Named:
    """NAME=PATH as given on a command line."""

    name: str
    path: Path


def parse_named(text: str, default: str | None = None) -> Named:
    """Parse `NAME=PATH`, or `PATH` alone if there is a default name. Raises ValueError."""
    name, equals, path = text.partition("=")
    if equals and name and path and "/" not in name:
        return Named(name, Path(path))
    if default is None:
        raise ValueError(f"{text!r}: NAME=DIR is needed, such as --pred=other=out/other")
    return Named(default, Path(text))


def named_weights(texts: Iterable[str]) -> list[Named]:
    """Parse `NAME=FILE` of each --params. Raises ValueError."""
    found = []
    for text in texts:
        try:
            found.append(parse_named(text))
        except ValueError as error:
            raise ValueError(f"--params {text}: NAME=FILE is needed") from error
    return found


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError if two rows share a name: figures of one would be taken for the other's."""
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ValueError(f"two rows are called {name!r}; give one another name: NAME=PATH")
        seen.add(name)


def perfect_highlights(code: np.ndarray, truth: np.ndarray, curve: bool = False) -> np.ndarray:
    """Truth where alpha > 0, elsewhere the photograph linearised by the inverse mean curve.

    code, truth: [H, W, 3]. alpha: `clipping_level.saturation`, from the largest channel of a pixel.
    The photograph is first aligned to the truth by the gain of the metrics, so that the two match
    where they meet. If the camera's curve is far from the mean, a step remains between them that no
    correction of the whole image can remove; such an image can score below its input.
    curve: also correct the camera response of the photograph (Hanji et al. 2022), fitted where
        alpha is 0. The remaining error is noise, 8-bit quantisation and compression: the best that
        perfect highlights and one curve per image can reach.
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
    """The row of a weights file and, with an estimator, its row with estimated curves."""
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

        def estimated(shot: StoredShot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
            curve = estimator.estimate(code)
            return predictor.reconstruct(code, camera_curve=curve, resolution="native")

        found.append(Method(named.name + ESTIMATED_SUFFIX, estimated, True))
    return found


def _estimated(estimator: "CurveEstimator | None") -> list[Method]:
    """The row of the photograph linearised by its estimated curve; none without an estimator."""
    if estimator is None:
        return []

    def predict(shot: StoredShot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return linearise(code.astype(np.float64), estimator.estimate(code))

    return [Method(ESTIMATED, predict, network=True)]


def prediction_path(folder: Path, shot: StoredShot, single: bool) -> Path:
    """Path of a folder's result for a photograph: in a subfolder named after the condition or, if
    there is a single condition, in the folder itself too.
    """
    name = f"{shot.view}.exr"
    flat = folder / name
    nested = folder / shot.condition.name / name
    return flat if single and not nested.is_file() else nested


def missing_predictions(folder: Named, shots: Iterable[StoredShot], single: bool) -> str | None:
    """One line that names the results missing from a folder; None if it is complete."""
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
    def predict(shot: StoredShot, code: np.ndarray, truth: np.ndarray) -> np.ndarray:
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
    """All rows in the order of the table.

    params: weights files. folders: results of other tools. single: whether only one condition is
    evaluated. curves: weights of the network that estimates camera curves; without it the rows
    that need it are left out.
    Raises ValueError if two rows share a name, WeightsError if weights cannot be used.
    """
    estimator = None
    names = [*DO_NOTHING, *OPERATORS, *CEILINGS, *(named.name for named in [*params, *folders])]
    if curves is not None:
        from hdrcnn.predict.camera_curve import load

        estimator = load(curves)
        names += [ESTIMATED, *(named.name + ESTIMATED_SUFFIX for named in params)]
    check_names(names)
    return [
        *(Method(name, _linearised(how)) for name, how in DO_NOTHING.items()),
        *(Method(name, _operator(operator)) for name, operator in OPERATORS.items()),
        *_estimated(estimator),
        *(method for named in params for method in _weights(named, estimator)),
        *(Method(named.name, _folder(named.path, single)) for named in folders),
        Method(PERFECT, lambda shot, code, truth: perfect_highlights(code, truth)),
        Method(CEILING, lambda shot, code, truth: perfect_highlights(code, truth, curve=True)),
    ]
