"""Score every method on every photograph, one record for each pair.

Each photograph is loaded, processed by all methods, measured and then released, so that memory does
not grow with the number of photographs.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hdrcnn.files import ImageError
from training_code.evaluation.colorvideovdp import colorvideovdp_jod
from training_code.evaluation.methods import Method
from training_code.evaluation.metrics import Scores, absolute_factor, align, evaluate
from training_code.evaluation.shots import StoredShot

WORKERS = 2
"""Number of threads. NumPy releases the interpreter lock during its long loops, but more than a few
threads only wait for memory."""

JOD = "jod"

METRICS = tuple(field.name for field in dataclasses.fields(Scores))

_one_at_a_time = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Record:
    """Scores of one method on one photograph."""

    shot: StoredShot
    method: str
    scores: dict[str, float]
    """The fields of `metrics.Scores`, and `jod` if requested."""


@dataclasses.dataclass(frozen=True)
class ReportShot:
    """A photograph with one method's result, for the report."""

    shot: StoredShot
    code: np.ndarray
    """[H, W, 3] uint8."""
    truth: np.ndarray
    """[H, W, 3] float32, linear, 1.0 = clipping level."""
    prediction: np.ndarray
    """Like `truth`, gain-aligned to it."""
    records: list[Record]


def measure(
    prediction: np.ndarray, truth: np.ndarray, code: np.ndarray, jod: bool = False
) -> dict[str, float]:
    """All metrics of one prediction, by name. Arguments as for `metrics.evaluate`.

    jod: compute ColorVideoVDP too; NaN if the package is not installed. Raises ValueError.
    """
    scores = dataclasses.asdict(evaluate(prediction, truth, code))
    if jod:
        true = np.asarray(truth, np.float64)
        factor = absolute_factor(true)
        aligned = align(np.asarray(prediction, np.float64), true, np.asarray(code, np.float64))
        with _one_at_a_time:
            quality = colorvideovdp_jod(aligned * factor, true * factor)
        scores[JOD] = float("nan") if quality is None else quality
    return scores


def score_shot(
    shot: StoredShot,
    methods: list[Method],
    pool: ThreadPoolExecutor,
    *,
    jod: bool = False,
    report_method: str | None = None,
) -> tuple[list[Record], ReportShot | None]:
    """Score all methods on one photograph; return the records and, for the method named by
    `report_method`, its result.

    Raises ImageError, which names the view and the method, if a result cannot be measured.
    """
    code, truth = shot.load()
    ready = {m.name: m.predict(shot, code, truth) for m in methods if m.network}
    kept: dict[str, np.ndarray] = {}

    def score(method: Method) -> Record:
        prediction = ready.pop(method.name, None)
        if prediction is None:
            prediction = method.predict(shot, code, truth)
        if method.name == report_method:
            kept[method.name] = prediction
        try:
            return Record(shot, method.name, measure(prediction, truth, code, jod))
        except ValueError as error:
            raise ImageError(
                f"{shot.view}: the result of {method.name} cannot be measured: {error}"
            ) from error

    records = list(pool.map(score, methods))
    if not kept:
        return records, None
    wide = [np.asarray(image, np.float64) for image in (*kept.values(), truth, code)]
    aligned = align(*wide).astype(np.float32)
    codes = np.round(code * np.float32(255.0)).astype(np.uint8)
    return records, ReportShot(shot, codes, truth, aligned, records)


def score_all(
    shots: Iterable[StoredShot],
    methods: list[Method],
    *,
    jod: bool = False,
    report_method: str | None = None,
    wanted: Callable[[StoredShot], bool] = lambda shot: True,
) -> Iterator[tuple[list[Record], ReportShot | None]]:
    """Yield `score_shot` of each photograph, in order.

    report_method: method whose results are returned too, for the photographs chosen by `wanted`.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        for shot in shots:
            kept = report_method if wanted(shot) else None
            yield score_shot(shot, methods, pool, jod=jod, report_method=kept)
