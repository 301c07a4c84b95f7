"""A validation that looks like use: ordinary photographs, HDR photographs, panoramas, each apart.

    scenes of three kinds
      -> shots      views exposed until some share clips, through a curve and a file
      -> score      the do-nothing rows, perfect highlights, and what is judged
      -> summarise  a `Row` for each kind, condition and method

An ordinary photograph is its own truth: decoded as sRGB, exposed up until it clips. What was
clipped in the source is left out of exposure, gain, fit and metrics. Its light was compressed by
its camera, so what can be won on it is a lower bound.

P. Hanji et al., "Comparison of single image HDR reconstruction methods - the caveats of quality
    assessment", SIGGRAPH 2022: the metric, PU21-PSNR after camera response correction.
"""

import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import linearise
from hdrcnn.predict.blend import saturation
from training_code.camera import TooBlackError
from training_code.evaluation import protocol as rules
from training_code.evaluation.bootstrap import Interval, paired, unit_means
from training_code.evaluation.methods import DO_NOTHING
from training_code.evaluation.metrics import align, known_pixels, pixel_scores
from training_code.evaluation.protocol import Condition, Protocol
from training_code.evaluation.shots import unusable_pixels
from training_code.scenes.collection import Scene

NAMES = ("panoramas", "HDR photographs", "ordinary photographs")
"""By `Scene.kind`."""
CAP = 16.0
"""Perfect highlights are capped at so many clipping levels: what is above shows no difference."""
WINNABLE_DB = 1.0
"""Views on which perfect highlights win less say nothing about the share that is won."""
WORSE_DB = 0.5

Reconstruct = Callable[[np.ndarray], np.ndarray]
"""Codes [H, W, 3] float32 in [0, 1] as stored, to light of the same shape, linear, any unit."""

CONDITIONS = (
    *(
        Condition(clipped, "png", curve)
        for curve in rules.CURVES[::-1]
        for clipped in (0.05, 0.02, 0.10)
    ),
    *(
        Condition(0.05, file, curve)
        for file in ("jpeg80", "jpeg95", "white240")
        for curve in rules.CURVES
    ),
)


@dataclasses.dataclass(frozen=True)
class Shot:
    """One photograph of one view."""

    view: str
    family: str
    kind: int
    stored: np.ndarray
    """[H, W, 3] uint8, as the file holds it."""
    code: np.ndarray
    """[H, W, 3] float32, display-encoded, 1.0 = where the photograph clips: for the metrics."""
    truth: np.ndarray
    """[H, W, 3] float32, linear, 1.0 = clipping level; NaN where it is not known."""


def shots(
    scenes: Iterable[Scene],
    condition: Condition,
    protocol: Protocol,
    every: int = 1,
    left_out: Callable[[str], None] = lambda line: None,
) -> Iterator[Shot]:
    """The photographs of one condition; of each kind every so many-th view. Views too black to be
    exposed or judged, or with next to nothing clipped, are left out; left_out: is given a line for
    each.
    """
    counts = [0] * len(NAMES)
    for scene in scenes:
        for view in rules.fixed_views(scene, protocol):
            counts[scene.kind] += 1
            if (counts[scene.kind] - 1) % every:
                continue
            known = scene.known(view.linear)
            try:
                truth = rules.exposed_truth(view, condition, known)
            except TooBlackError as error:
                left_out(f"{view.name}: {error}")
                continue
            codes = rules.photograph(view.name, truth, condition, protocol)
            stored = np.asarray(Image.open(io.BytesIO(rules.encode(codes, condition.file))))
            truth = np.where(known, truth, np.float32(np.nan))
            level = rules.WHITE if condition.file == "white240" else 255
            code = np.minimum(stored / np.float32(level), np.float32(1.0))
            judged = known[..., 0]
            reason = unusable_pixels(code[judged], truth[judged], protocol)
            if reason:
                left_out(f"{view.name}: {reason}")
                continue
            yield Shot(view.name, scene.family, scene.kind, stored, code, truth)


def perfect(shot: Shot, curve: str) -> np.ndarray:
    """The photograph by a curve, aligned to the truth, with the truth of the highlights up to `CAP`
    in its place, blended like the published network.
    """
    code = shot.code.astype(np.float64)
    light = align(linearise(code, curve), shot.truth.astype(np.float64), code)
    alpha = saturation(code)
    truth = np.where(known_pixels(shot.truth)[..., None], np.minimum(shot.truth, CAP), light)
    return np.where(alpha > 0, truth, light)


@dataclasses.dataclass(frozen=True)
class Score:
    """One method on one photograph. Decibels, stops."""

    shot: str
    family: str
    method: str
    psnr: float
    """PU21-PSNR after camera response correction."""
    aligned: float
    """PU21-PSNR with one gain."""
    rmse: float
    """Of the highlights."""
    bias: float
    peak: float


def score(
    kind_shots: Sequence[Shot], methods: dict[str, Reconstruct], workers: int = 2
) -> tuple[list[Score], str]:
    """All scores of the photographs of one kind and condition, and the do-nothing row that is best
    in the mean. Methods run one after the other, metrics in threads.
    """

    def measured(shot: Shot, method: str, light: np.ndarray) -> Score:
        known = known_pixels(shot.truth)
        found = pixel_scores(light[known], shot.truth[known], shot.code[known])
        return Score(
            shot.view,
            shot.family,
            method,
            found.psnr_crf,
            found.psnr_aligned,
            found.highlight_rmse,
            found.highlight_bias,
            found.peak_error,
        )

    with ThreadPoolExecutor(workers) as pool:
        nothing = [
            pool.submit(measured, shot, name, linearise(shot.code.astype(np.float64), how))
            for shot in kind_shots
            for name, how in DO_NOTHING.items()
        ]
        scores = [task.result() for task in nothing]
        means = {n: np.mean([s.psnr for s in scores if s.method == n]) for n in DO_NOTHING}
        best = max(means, key=lambda name: means[name])
        later = [
            pool.submit(measured, shot, "perfect highlights", perfect(shot, DO_NOTHING[best]))
            for shot in kind_shots
        ]
        for name, reconstruct in methods.items():
            for shot in kind_shots:
                later.append(pool.submit(measured, shot, name, reconstruct(shot.stored)))
        return scores + [task.result() for task in later], best


@dataclasses.dataclass(frozen=True)
class Row:
    """One method on the photographs of one kind under one condition."""

    kind: str
    condition: str
    method: str
    views: int
    difference: Interval
    """To the best do-nothing row, dB, over places."""
    won: float
    """Share of what perfect highlights win, over the views on which that is `WINNABLE_DB`; NaN
    without such views."""
    aligned: float
    """Mean gain-aligned PSNR less that of the best assumption, dB."""
    rmse_ratio: float
    """Highlight RMSE over that of the input."""
    bias: float
    peak: float
    worse: int
    """Views worse than that row by more than `WORSE_DB`."""
    worst: str
    """The view that loses most, and what."""


def summarise(kind: str, condition: str, scores: Sequence[Score], best: str) -> list[Row]:
    """The rows of one kind and condition: the best assumption, perfect highlights, the others."""
    by_method: dict[str, list[Score]] = {}
    for item in scores:
        by_method.setdefault(item.method, []).append(item)
    base, ceiling = by_method[best], by_method["perfect highlights"]
    assumed = max(np.mean([s.aligned for s in by_method[name]]) for name in DO_NOTHING)
    families = [item.family for item in base]
    plain = np.array([item.psnr for item in base])
    winnable = np.array([item.psnr for item in ceiling]) - plain
    rows = []
    for method, own in by_method.items():
        if method in DO_NOTHING and method != best:
            continue
        gain = np.array([item.psnr for item in own]) - plain
        counted = winnable >= WINNABLE_DB
        won = gain[counted].sum() / winnable[counted].sum() if counted.any() else np.nan
        lowest = int(np.argmin(gain))
        rows.append(
            Row(
                kind,
                condition,
                method,
                len(own),
                paired(
                    unit_means([item.psnr for item in own], families),
                    unit_means([item.psnr for item in base], families),
                ),
                float(won),
                float(np.mean([item.aligned for item in own]) - assumed),
                float(np.mean([s.rmse for s in own]) / np.mean([s.rmse for s in base])),
                float(np.mean([item.bias for item in own])),
                float(np.mean([item.peak for item in own])),
                int(np.sum(gain < -WORSE_DB)),
                f"{own[lowest].shot} {gain[lowest]:+.1f}",
            )
        )
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown, a line a row."""
    lines = [
        "| photographs | condition | row | views | to doing nothing [dB] | won | worse | "
        "gain-aligned [dB] | highlight RMSE | bias | peak [stops] | worst view |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        d = row.difference
        won = f"{100 * row.won:.0f} %" if np.isfinite(row.won) else ""
        lines.append(
            f"| {row.kind} | {row.condition} | {row.method} | {row.views} | {d.mean:+.2f} "
            f"[{d.low:+.2f}, {d.high:+.2f}] | {won} | {row.worse} | {row.aligned:+.2f} | "
            f"{row.rmse_ratio:.2f} | {row.bias:+.2f} | {row.peak:+.2f} | {row.worst} |"
        )
    return "\n".join(lines)
