"""Validation close to real use: ordinary photographs, HDR photographs and panoramas, separately.

    scenes of three kinds
      -> shots      views exposed until a given share clips, through a camera curve and a file
      -> score      the do-nothing rows, perfect highlights, and the methods under test
      -> summarise  a `Row` for each kind, condition and method

An ordinary photograph serves as its own truth: it is decoded as sRGB and exposed up until it clips.
Pixels that are clipped in the source are excluded from exposure, gain, fit and metrics. Its camera
has compressed bright light, so the gain that is possible on it is a lower bound.

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
from training_code.evaluation.methods import DO_NOTHING, PERFECT
from training_code.evaluation.metrics import align, known_pixels, pixel_scores
from training_code.evaluation.protocol import Condition, Protocol
from training_code.evaluation.shots import exclusion_reason_of_pixels
from training_code.scenes.collection import Scene

NAMES = ("panoramas", "HDR photographs", "ordinary photographs")
"""Names of the kinds, indexed by `Scene.kind`."""
CAP = 16.0
"""Perfect highlights are capped at this multiple of the clipping level; above it there is no
visible difference."""
MIN_CEILING_GAIN_DB = 1.0
"""Smallest gain of perfect highlights, dB, for a view to count in the share won; a smaller one says
nothing about it."""
WORSE_DB = 0.5

Reconstruct = Callable[[np.ndarray], np.ndarray]
"""Takes stored codes, [H, W, 3] uint8, to light of the same shape, linear, any unit."""

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
class ShotPixels:
    """One photograph of one view."""

    view: str
    family: str
    kind: int
    stored: np.ndarray
    """[H, W, 3] uint8, as in the file."""
    code: np.ndarray
    """[H, W, 3] float32, display-encoded, 1.0 = code at which the photograph clips; used by the
    metrics."""
    truth: np.ndarray
    """[H, W, 3] float32, linear, 1.0 = clipping level; NaN where it is unknown."""


def shots(
    scenes: Iterable[Scene],
    condition: Condition,
    protocol: Protocol,
    every: int = 1,
    left_out: Callable[[str], None] = lambda line: None,
) -> Iterator[ShotPixels]:
    """Yield the photographs of one condition.

    every: take only every n-th view of each kind. Views that are too black to be exposed, cannot be
    judged, or have almost nothing clipped are left out. left_out: called with a line for each.
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
            reason = exclusion_reason_of_pixels(code, truth, protocol)
            if reason:
                left_out(f"{view.name}: {reason}")
                continue
            yield ShotPixels(view.name, scene.family, scene.kind, stored, code, truth)


def perfect(shot: ShotPixels, curve: str) -> np.ndarray:
    """Perfect highlights: the photograph with the true light where it is saturated.

    The photograph is linearised by `curve` and aligned to the truth; the true light, up to `CAP`
    and where it is known, replaces it wherever the published network's saturation mask is above 0.
    """
    code = shot.code.astype(np.float64)
    light = align(linearise(code, curve), shot.truth.astype(np.float64), code)
    alpha = saturation(code)
    truth = np.where(known_pixels(shot.truth)[..., None], np.minimum(shot.truth, CAP), light)
    return np.where(alpha > 0, truth, light)


@dataclasses.dataclass(frozen=True)
class Score:
    """Scores of one method on one photograph, in dB and stops."""

    shot: str
    family: str
    method: str
    psnr: float
    """PU21-PSNR after camera response correction, dB."""
    aligned: float
    """PU21-PSNR after alignment by one gain, dB."""
    rmse: float
    """RMSE of the highlights, stops; so are the next two."""
    bias: float
    peak: float


def score(
    kind_shots: Sequence[ShotPixels], methods: dict[str, Reconstruct], workers: int = 2
) -> tuple[list[Score], str]:
    """Score all methods on the photographs of one kind and condition.

    Methods run one after another, metrics in threads. Returns the scores and the name of the
    do-nothing row with the best mean.
    """

    def measured(shot: ShotPixels, method: str, light: np.ndarray) -> Score:
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
            pool.submit(measured, shot, PERFECT, perfect(shot, DO_NOTHING[best]))
            for shot in kind_shots
        ]
        for name, reconstruct in methods.items():
            for shot in kind_shots:
                later.append(pool.submit(measured, shot, name, reconstruct(shot.stored)))
        return scores + [task.result() for task in later], best


@dataclasses.dataclass(frozen=True)
class Row:
    """One method on the photographs of one kind under one condition.

    `difference` is a mean over places, of the means over the views of each place, because views of
    one place are not independent and its interval is over places. All other figures are over views.
    """

    kind: str
    condition: str
    method: str
    views: int
    difference: Interval
    """Difference from the best do-nothing row, dB, over places."""
    share_won: float
    """Share of the gain of perfect highlights that the method achieves, over the views on which
    that gain is at least `MIN_CEILING_GAIN_DB`; NaN if there are none."""
    aligned: float
    """Mean gain-aligned PSNR minus the highest such mean of the do-nothing rows, dB."""
    rmse_ratio: float
    """Mean highlight RMSE divided by that of the best do-nothing row."""
    bias: float
    peak: float
    worse: int
    """Number of views worse than the best do-nothing row by more than `WORSE_DB`."""
    worst: str
    """The view that loses most against that row, and its difference in dB."""


def summarise(kind: str, condition: str, scores: Sequence[Score], best: str) -> list[Row]:
    """Rows of one kind and condition: the best do-nothing row, perfect highlights, the methods."""
    by_method: dict[str, list[Score]] = {}
    for item in scores:
        by_method.setdefault(item.method, []).append(item)
    base, ceiling = by_method[best], by_method[PERFECT]
    assumed = max(np.mean([s.aligned for s in by_method[name]]) for name in DO_NOTHING)
    families = [item.family for item in base]
    plain = np.array([item.psnr for item in base])
    ceiling_gain = np.array([item.psnr for item in ceiling]) - plain
    rows = []
    for method, own in by_method.items():
        if method in DO_NOTHING and method != best:
            continue
        gain = np.array([item.psnr for item in own]) - plain
        counted = ceiling_gain >= MIN_CEILING_GAIN_DB
        share_won = gain[counted].sum() / ceiling_gain[counted].sum() if counted.any() else np.nan
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
                float(share_won),
                float(np.mean([item.aligned for item in own]) - assumed),
                float(np.mean([s.rmse for s in own]) / np.mean([s.rmse for s in base])),
                float(np.mean([item.bias for item in own])),
                float(np.mean([item.peak for item in own])),
                int(np.sum(gain < -WORSE_DB)),
                f"{own[lowest].shot} {gain[lowest]:+.1f}",
            )
        )
    return rows


NOTE = """
Differences from doing nothing are means over places, with their 95 % intervals; all other figures
are over views."""
"""What a reader of the table must know about its means."""


def table(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table."""
    lines = [
        "| photographs | condition | row | views | to doing nothing [dB] | won | worse | "
        "gain-aligned [dB] | highlight RMSE | bias | peak [stops] | worst view |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        d = row.difference
        share_won = f"{100 * row.share_won:.0f} %" if np.isfinite(row.share_won) else ""
        lines.append(
            f"| {row.kind} | {row.condition} | {row.method} | {row.views} | {d.mean:+.2f} "
            f"[{d.low:+.2f}, {d.high:+.2f}] | {share_won} | {row.worse} | {row.aligned:+.2f} | "
            f"{row.rmse_ratio:.2f} | {row.bias:+.2f} | {row.peak:+.2f} | {row.worst} |"
        )
    return "\n".join(lines)
