"""Validation of a running training on fixed crops, relative to doing nothing.

The metrics, the do-nothing rows and the rules for what can be judged are those of the evaluation,
so that the figures mean the same; only the images are crops. Keras is not used: the network is
passed as a function, and the caller decides which weights it uses.
"""

import dataclasses
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hdrcnn.colour.transfer import linearise
from hdrcnn.predict.blend import reconstruct_light
from training_code.evaluation.methods import DO_NOTHING
from training_code.evaluation.metrics import align
from training_code.evaluation.protocol import Protocol
from training_code.evaluation.scoring import METRICS, WORKERS, measure
from training_code.evaluation.shots import exclusion_reason
from training_code.evaluation.summary import DECISIVE

Predict = Callable[[np.ndarray], np.ndarray]
"""Takes codes in [0, 1], [N, H, W, 3] float32, to y = log(H + 1/255), float32, same shape."""

ERRORS = ("highlight_rmse", "highlight_bias", "peak_error")
"""Metrics that are reported beside `DECISIVE`."""

WORST_CORRECTION_DB = -0.5
"""Smallest acceptable gain of the camera response correction, dB. The correction is fitted to each
crop and should only help, but it is fitted in other units than those of the metric, so on a crop of
a few flat colours it can cost decibels. A crop on which it falls below this, for any do-nothing
row, is left out."""

BATCH = 8
SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Figures:
    """Means over the crops; NaN if the result of any crop could not be measured."""

    psnr: float
    """PU21-PSNR, CRF-corrected, dB."""
    gain: float
    """Difference of `psnr` from the best do-nothing row, dB; positive is better than doing
    nothing."""
    highlight_rmse: float
    """RMSE of the highlights, stops; so are the next two."""
    highlight_bias: float
    """Negative if highlights are too dark."""
    peak_error: float
    """Error of the 99.9th percentile of luminance; negative if too dark."""

    def logs(self) -> dict[str, float]:
        """Figures for the log of an epoch, named `val_...`, without those that are not finite."""
        values = {f"val_{name}": value for name, value in dataclasses.asdict(self).items()}
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def line(self) -> str:
        """Figures as a line for the user."""
        return (
            f"{self.gain:+.2f} dB to doing nothing  highlight RMSE {self.highlight_rmse:.2f} stops"
            f"  bias {self.highlight_bias:+.2f}  peak {self.peak_error:+.2f}"
        )


@dataclasses.dataclass(frozen=True)
class SheetCrop:
    """One crop with its result, for the contact sheet. Images are [H, W, 3]; all but `code` are
    float32, linear, 1.0 = clipping level.
    """

    name: str
    code: np.ndarray
    """Codes of the photograph, uint8, display-encoded."""
    photograph: np.ndarray
    """The photograph, linearised like the result."""
    prediction: np.ndarray
    """The result, gain-aligned to the truth if possible."""
    truth: np.ndarray
    """The truth; NaN where it is unknown."""
    figures: Figures
    """Figures of this crop alone."""
    nothing: Figures
    """Figures of the best do-nothing row on it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Result of one validation."""

    figures: Figures
    sheet_crops: list[SheetCrop]
    """The crops of `Validation.shown`, in that order."""
    failed: list[str]
    """One line for each result that could not be measured: the crop and why."""


class Validation:
    """A fixed set of crops with their do-nothing scores, on which weights are scored."""

    def __init__(
        self,
        codes: np.ndarray,
        targets: np.ndarray,
        *,
        linearisation: str,
        blend: str,
        batch: int = BATCH,
        shown: int = SHOWN,
    ) -> None:
        """Score the do-nothing rows, once.

        codes: [M, H, W, 3] uint8, display-encoded. targets: the same shape, float32, linear,
            1.0 = clipping level; NaN where unknown.
        linearisation, blend: as they will be stored with the weights.
        batch: number of crops predicted at a time; always the same, so that nothing is compiled
            twice. shown: number of crops on the contact sheet.
        Raises ValueError for unusable arrays, or if no crop can be judged.
        """
        if codes.dtype != np.uint8 or codes.ndim != 4 or codes.shape != targets.shape:
            raise ValueError(
                "validation needs uint8 codes [M, H, W, 3] and targets of one shape; they are "
                f"{codes.dtype} {list(codes.shape)} and {list(targets.shape)}"
            )
        self.linearisation, self.blend, self.batch = linearisation, blend, batch
        self.left_out: list[str] = []
        """One line for each crop that cannot be judged: which and why."""
        kept, rows = [], []
        with ThreadPoolExecutor(WORKERS) as pool:
            for index, row in enumerate(pool.map(self._nothing, codes, targets)):
                if isinstance(row, str):
                    self.left_out.append(f"crop {index + 1}: {row}")
                else:
                    kept.append(index)
                    rows.append(row)
        if not kept:
            first = f" ({self.left_out[0]})" if self.left_out else ""
            raise ValueError(f"none of {len(codes)} validation crops can be judged{first}")
        self.names = [f"crop {index + 1}" for index in kept]
        self.codes, self.targets = codes[kept], targets[kept]
        means = {name: float(np.mean([row[name][DECISIVE] for row in rows])) for name in rows[0]}
        self.best_input = max(means, key=lambda name: means[name])
        """The do-nothing row to compare weights with, chosen as in the evaluation."""
        self.rows = [row[self.best_input] for row in rows]
        self.nothing = _figures(self.rows, self.rows)
        self.shown = _spread([row["highlight_rmse"] for row in self.rows], shown)
        """Indices of the crops on the contact sheet, by falling highlight error of the input."""

    def _nothing(self, codes: np.ndarray, truth: np.ndarray) -> dict[str, dict[str, float]] | str:
        """Scores of the do-nothing rows on one crop, or the reason why it cannot be judged."""
        code = codes.astype(np.float32) / np.float32(255.0)
        reason = exclusion_reason(code, truth, Protocol())
        if reason:
            return reason
        try:
            rows = {
                name: measure(linearise(code.astype(np.float64), how), truth, code)
                for name, how in DO_NOTHING.items()
            }
        except ValueError as error:
            return str(error)
        worst = min(row[DECISIVE] - row["psnr_aligned"] for row in rows.values())
        if worst < WORST_CORRECTION_DB:
            return f"too few colours: the camera response correction costs {-worst:.1f} dB"
        return rows

    def describe(self) -> str:
        """One line that describes the crops and the score of doing nothing."""
        out = f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            f"validation on {len(self.codes)} crops{out}; doing nothing ({self.best_input}): "
            f"{self.nothing.psnr:.2f} dB PU21-PSNR CRF-corrected, "
            f"highlight RMSE {self.nothing.highlight_rmse:.2f} stops"
        )

    def predict(self, predict: Predict) -> np.ndarray:
        """HDR results of all crops: [M, H, W, 3] float32, linear, 1.0 = clipping level."""
        results = np.empty(self.codes.shape, np.float32)
        for start in range(0, len(self.codes), self.batch):
            # Indices wrap around, so that the last batch is full too.
            chosen = np.arange(start, start + self.batch) % len(self.codes)
            code = self.codes[chosen].astype(np.float32) / np.float32(255.0)
            log_hdr = np.asarray(predict(code), np.float32)
            # Values that are not finite are reported by `score`.
            with np.errstate(over="ignore", invalid="ignore"):
                hdr = reconstruct_light(code, log_hdr, self.linearisation, self.blend)
            count = min(self.batch, len(self.codes) - start)
            results[start : start + count] = hdr[:count]
        return results

    def score(self, predict: Predict) -> Outcome:
        """Measure a network; return its figures, and its results for the contact sheet."""
        results = self.predict(predict)

        def scores(index: int) -> dict[str, float] | str:
            code = self.codes[index].astype(np.float32) / np.float32(255.0)
            try:
                return measure(results[index], self.targets[index], code)
            except ValueError as error:
                return str(error)

        with ThreadPoolExecutor(WORKERS) as pool:
            measured = list(pool.map(scores, range(len(results))))
        failed = [
            f"{name}: {row}"
            for name, row in zip(self.names, measured, strict=True)
            if isinstance(row, str)
        ]
        unknown = dict.fromkeys(METRICS, math.nan)
        rows = [unknown if isinstance(row, str) else row for row in measured]
        sheet_crops = [self._sheet_crop(index, results[index], rows[index]) for index in self.shown]
        return Outcome(_figures(rows, self.rows), sheet_crops, failed)

    def _sheet_crop(self, index: int, result: np.ndarray, row: dict[str, float]) -> SheetCrop:
        """One crop with its result, aligned by the gain of the metrics."""
        codes, truth = self.codes[index], self.targets[index]
        code = codes.astype(np.float32) / np.float32(255.0)
        if math.isfinite(row[DECISIVE]):
            wide = [np.asarray(image, np.float64) for image in (result, truth, code)]
            result = align(*wide).astype(np.float32)
        else:
            result = np.nan_to_num(result)
        photograph = linearise(code, self.linearisation)
        nothing = [self.rows[index]]
        return SheetCrop(
            self.names[index],
            codes,
            photograph,
            result,
            truth,
            _figures([row], nothing),
            _figures(nothing, nothing),
        )


def _spread(missing: list[float], count: int) -> list[int]:
    """Indices of `count` values from the largest to the smallest, denser among the large ones."""
    order = np.argsort(np.negative(missing), kind="stable")
    first = np.arange(min(count, len(order)))
    places = (first / max(len(first) - 1, 1)) ** 1.5 * (len(order) - 1)
    return [int(index) for index in order[np.maximum(places.round().astype(int), first)]]


def _figures(rows: list[dict[str, float]], nothing: list[dict[str, float]]) -> Figures:
    """Means of scores, and of their gains over a do-nothing row."""
    psnr = np.mean([row[DECISIVE] for row in rows])
    gain = np.mean(
        [row[DECISIVE] - zero[DECISIVE] for row, zero in zip(rows, nothing, strict=True)]
    )
    errors = {name: float(np.mean([row[name] for row in rows])) for name in ERRORS}
    return Figures(psnr=float(psnr), gain=float(gain), **errors)
