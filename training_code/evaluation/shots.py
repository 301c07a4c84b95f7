"""The photographs of an evaluation on disk, for this tool and any other.

<out_dir>/ldr/<condition>/<view>.png or .jpg    input of every method
<out_dir>/truth/<exposure>/<view>.exr           1.0 = clipping level, once per exposure
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hdrcnn.colour.transfer import inverse_camera_curve, luminance
from hdrcnn.files import ImageError, finished_whole
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.exr import write_exr
from training_code.evaluation import protocol as rules
from training_code.evaluation.metrics import (
    absolute_factor,
    alignment_gain,
    known_pixels,
    saturated_share,
)
from training_code.evaluation.protocol import Condition, Protocol, View
from training_code.scenes.collection import Scene

SMALLEST_SIDE = 11
"""Smallest side of a view, pixels: that of the SSIM window."""


@dataclasses.dataclass(frozen=True)
class StoredShot:
    """One photograph of one view of one scene."""

    view: str
    scene: str
    family: str
    range_ratio: float
    """99.99th percentile of the scene's luminance divided by its median."""
    condition: Condition
    ldr: Path
    truth: Path

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Read code and truth from their files. Raises ImageError.

        Code: [H, W, 3] float32 in [0, 1], display-encoded. Truth: [H, W, 3] float32, linear,
        1.0 = clipping level.
        """
        return read_ldr(self.ldr), read_exr(self.truth)


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A photograph that is not evaluated, and why."""

    view: str
    condition: str
    reason: str


def range_ratio(scene: Scene) -> float:
    """99.99th percentile of a scene's luminance divided by its median; inf if that is 0."""
    light = luminance(scene.pixels.astype(np.float32))
    median, peak = np.percentile(light, (50.0, 99.99))
    return float(peak / median) if median > 0 else float("inf")


def exclusion_reason(code: np.ndarray, truth: np.ndarray, protocol: Protocol) -> str | None:
    """Reason why a photograph cannot be judged, whatever the method; None if it can."""
    if min(code.shape[:2]) < SMALLEST_SIDE:
        return f"smaller than {SMALLEST_SIDE} pixels"
    return exclusion_reason_of_pixels(code, truth, protocol)


def exclusion_reason_of_pixels(
    code: np.ndarray, truth: np.ndarray, protocol: Protocol
) -> str | None:
    """Reason why pixels [..., 3], in any order, cannot be judged; None if they can. Only those
    whose truth is known count, as in the metrics.
    """
    known = known_pixels(truth)
    if not known.any():
        return "none of its pixels are known"
    code, truth = code[known], truth[known]
    share = saturated_share(code)
    if share < protocol.min_saturated:
        return f"{share:.2%} of its pixels are saturated, fewer than {protocol.min_saturated:.2%}"
    try:
        absolute_factor(truth)
        alignment_gain(inverse_camera_curve(code), truth, code)
    except ValueError as error:
        return str(error)
    return None


def _shoot(
    shot: StoredShot, view: View, protocol: Protocol, stored: set[Path]
) -> StoredShot | LeftOut:
    """Take, check and store one photograph, and its truth unless it is already in `stored`."""
    condition = shot.condition
    try:
        truth = rules.exposed_truth(view, condition)
    except ValueError as error:
        return LeftOut(view.name, condition.name, str(error))
    codes = rules.photograph(view.name, truth, condition, protocol)
    for path in (shot.ldr, shot.truth):
        path.parent.mkdir(parents=True, exist_ok=True)
    with finished_whole(shot.ldr) as temporary:
        temporary.write_bytes(rules.encode(codes, condition.file))
    reason = exclusion_reason(read_ldr(shot.ldr), truth, protocol)
    if reason:
        shot.ldr.unlink()
        return LeftOut(view.name, condition.name, reason)
    if shot.truth not in stored:
        write_exr(shot.truth, truth)
        stored.add(shot.truth)
    return shot


def _check_names(scenes: Sequence[Scene]) -> None:
    """Raises ImageError if a name is not valid UTF-8, which OpenEXR requires, or two scenes would
    share a file.
    """
    taken: dict[str, str] = {}
    for scene in scenes:
        try:
            scene.name.encode()
        except UnicodeEncodeError as error:
            raise ImageError(f"{scene.name}: its name is not UTF-8; rename it") from error
        for view in rules.view_names(scene):
            if view in taken:
                raise ImageError(
                    f"{scene.name}: {taken[view]} has a view of the same name, {view}, which names "
                    "the photographs; rename one of them"
                )
            taken[view] = scene.name


def photograph_scenes(
    scenes: Sequence[Scene], conditions: Iterable[Condition], protocol: Protocol, out_dir: Path
) -> Iterator[StoredShot | LeftOut]:
    """Take all photographs, view by view, and write them below `out_dir`.

    Yields each, or why it is left out. Raises ImageError if a name is not UTF-8, a file cannot be
    written, or two scenes would share one.
    """
    conditions = tuple(conditions)
    _check_names(scenes)
    for scene in scenes:
        ratio = range_ratio(scene)
        stored: set[Path] = set()
        for view in rules.fixed_views(scene, protocol):
            for condition in conditions:
                ldr = f"{condition.name}/{view.name}{rules.FILES[condition.file]}"
                shot = StoredShot(
                    view.name,
                    scene.name,
                    scene.family,
                    ratio,
                    condition,
                    out_dir / "ldr" / ldr,
                    out_dir / "truth" / condition.exposure / f"{view.name}.exr",
                )
                yield _shoot(shot, view, protocol, stored)
