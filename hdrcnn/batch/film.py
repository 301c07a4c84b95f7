"""Conversion of a film: find its missing segments, convert them, and join all to the result."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from hdrcnn.batch.film_segment import FilmSettings, Target, ToFile, ToFrames, frames_of
from hdrcnn.batch.machines import Shard, WorkersConfig
from hdrcnn.files import ImageError, finished_whole, prepare_folder, real_path, remove_temporaries
from hdrcnn.video import segments
from hdrcnn.video.copied import check_streams
from hdrcnn.video.encode import check as check_encoder
from hdrcnn.video.join import join
from hdrcnn.video.rotation import can_turn
from hdrcnn.video.segments import Folder, Segment
from hdrcnn.video.source import Film
from hdrcnn.video.tags import ReadBack, read_back
from hdrcnn.writers import frames


@dataclasses.dataclass(frozen=True)
class Progress:
    """Progress of a film after a frame or a segment."""

    segment: Segment
    of: int
    """Number of segments of the whole film."""
    frames: int
    """Frames of the share that are done, including kept ones."""
    total: int
    """Approximate number of frames of the share."""
    converted: int
    """Frames converted in this run."""
    segment_done: bool
    """Whether the segment is complete."""
    kept: bool = False
    """Whether the segment existed already."""


OnProgress = Callable[[Progress], None]


def check_place(film: Film, result: Path, overwrite: bool) -> None:
    """Raise ImageError if the result would replace the film, or, without `overwrite`, any file."""
    if real_path(result) == real_path(film.path):
        raise ImageError(f"{result}: is the film itself; give --out another name")
    if result.exists() and not overwrite:
        raise ImageError(f"{result}: exists already; give --overwrite, or --out another name")


def has_share(film: Film, settings: FilmSettings, shard: Shard) -> bool:
    """Whether the film has enough segments for the share to contain one."""
    return bool(shard.select(segments.planned(film, settings.seconds)))


def _here(
    film: Film,
    missing: Sequence[Segment],
    settings: FilmSettings,
    target: Target,
    report: Callable[[Segment, int], None],
) -> Generator[tuple[Segment, int], None, None]:
    """Convert segments in this process; yields each with its number of frames."""
    converter = settings.make_converter(film, target.grades) if missing else None
    for segment in missing:

        def report_frames(frames: int, segment: Segment = segment) -> None:
            report(segment, frames)

        assert converter is not None
        yield segment, target.convert(film, segment, settings, converter, report_frames)


def _convert(
    film: Film,
    all_segments: Sequence[Segment],
    share: Sequence[Segment],
    kept: Callable[[Segment], int | None],
    settings: FilmSettings,
    target: Target,
    workers_config: WorkersConfig | None,
    on_progress: OnProgress,
) -> int:
    """Convert the missing segments of a share. Returns the number of converted frames.

    kept: returns the number of frames of an existing segment, None for a missing one.
    """
    total, done, made = sum(frames_of(film, segment) for segment in share), 0, 0
    missing = []
    for segment in share:
        there = kept(segment)
        if there is None:
            missing.append(segment)
            continue
        done += there
        on_progress(Progress(segment, len(all_segments), done, total, made, True, True))

    def report(segment: Segment, count: int) -> None:
        on_progress(Progress(segment, len(all_segments), done + count, total, made + count, False))

    if workers_config is None:
        converted = _here(film, missing, settings, target, report)
    else:
        from hdrcnn.batch import dask_film

        def begun() -> None:
            report(missing[0], 0)

        converted = dask_film.convert_all(film, missing, settings, target, workers_config, begun)
    with contextlib.closing(converted):
        for segment, count in converted:
            done, made = done + count, made + count
            on_progress(Progress(segment, len(all_segments), done, total, made, True))
    return made


def _tell_lost(film: Film, frames: int, there: int, note: Callable[[str], None]) -> None:
    if there < frames:
        lost = frames - there
        note(f"{film.path}: {lost} of {frames} frames cannot be decoded and are left out")


def to_file(
    film: Film,
    result: Path,
    settings: FilmSettings,
    shard: Shard,
    on_progress: OnProgress,
    note: Callable[[str], None],
    workers_config: WorkersConfig | None = None,
) -> ReadBack | None:
    """Convert the missing segments of a share, and join all segments once none is missing.

    on_progress: called with the progress. workers_config: where workers convert the segments; None:
    this process does. note: called with each line that the user should see. Returns the properties
    read back from the result, or None if segments of other shares are missing. Raises ImageError,
    WeightsError, DeviceError, WorkersError; complete segments are kept.
    """
    encoding, target = settings.encoding, ToFile(result)
    check_encoder(encoding, film.width, film.height)
    for left in check_streams(film, result, encoding):
        note(f"{film.path}: {left}")
    all_segments = segments.planned(film, settings.seconds)
    folder = Folder(result)
    if folder.prepare(settings.recipe(film), shared=shard.of > 1):
        note(f"{folder.path}: made from another film or by other settings; recomputed")
    remove_temporaries(folder.path)
    _convert(
        film, all_segments, shard.select(all_segments),
        lambda segment: target.done(film, segment), settings, target, workers_config, on_progress,
    )  # fmt: skip
    known = [folder.done(segment) for segment in all_segments]
    figures_of_all = [figures for figures in known if figures is not None]
    if len(figures_of_all) < len(known):
        return None
    _tell_lost(film, len(film.times), sum(figures.frames for figures in figures_of_all), note)
    content_light = (
        max(figures.max_cll for figures in figures_of_all),
        max(figures.max_fall for figures in figures_of_all),
    )
    files = [
        (folder.file(segment), figures.first)
        for segment, figures in zip(all_segments, figures_of_all, strict=True)
    ]
    try:
        found = join(film, files, result, encoding, content_light, note)
    except ImageError:
        # Two shares may both find all segments complete: the faster joins and removes them.
        if shard.of > 1 and folder.done(all_segments[0]) is None and result.is_file():
            return read_back(result)
        raise
    folder.remove()
    return found


def _prepare_frames(
    film: Film, target: ToFrames, recipe: dict[str, Any], shard: Shard, overwrite: bool
) -> bool:
    """Write the recipe into a folder of frames. Returns whether it was there already: the frames
    are then of this film and these settings.

    overwrite: whether to remove the frames that another run has left, which its recipe names, and
    files with the names of new frames. All other files stay. Raises ImageError.
    """
    told, text = target.path / "film.json", json.dumps(recipe, indent=1, sort_keys=True)
    segments.check_recipe(told)
    # Frames are looked for before the recipe: another share that has just begun writes the recipe
    # before its first frame.
    others = any(target.path.glob(f"*{frames.ENDINGS[target.kind]}"))
    known = told.read_text(encoding="utf-8") if told.is_file() else "{}"
    if known == text:
        return True
    former = target.written_by(json.loads(known))
    if former or others:
        path = target.path
        if shard.of > 1:
            raise ImageError(f"{path}: has other frames; remove them before shares are converted")
        if not overwrite:
            raise ImageError(f"{path}: has other frames; give --overwrite, or --out another folder")
        # Before the recipe: if this run is killed, the next one still finds whose they are.
        for file in [*former, *target.files(film)]:
            file.unlink(missing_ok=True)
    for file in [*target.marks(), target.grades]:
        file.unlink(missing_ok=True)
    with finished_whole(told) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return False


def to_frames(
    film: Film,
    result: Path,
    settings: FilmSettings,
    kind: str,
    shard: Shard,
    overwrite: bool,
    on_progress: OnProgress,
    workers_config: WorkersConfig | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> int:
    """Convert a film to frame files in a folder, named by `ToFrames`. Returns the number of frames
    written.

    Frames of complete segments that an earlier run made with the same recipe are kept. kind: of
    `writers.frames.ENDINGS`; overwrite: whether frames of other runs are removed; on_progress,
    workers_config, note: as for `to_file`. Raises ImageError, WeightsError, DeviceError,
    WorkersError.
    """
    if real_path(result) == real_path(film.path):
        raise ImageError(f"{result}: is the folder of the film itself; give --out another name")
    prepare_folder(result, "--out")
    remove_temporaries(result)
    target = ToFrames(result, kind)
    recipe = settings.recipe(film) | target.names(film)
    if film.rotation is not None:
        recipe["rotation"] = film.rotation.hex()
    if not can_turn(film.rotation):
        note(f"{film.path}: its rotation is not by quarter turns: frames are written unrotated")
    if film.aspect != 1:
        note(f"{film.path}: its pixels are {film.aspect} as wide as high: so are those of frames")
    same = _prepare_frames(film, target, recipe, shard, overwrite)
    all_segments = segments.planned(film, settings.seconds)
    share = shard.select(all_segments)
    made = _convert(
        film, all_segments, share,
        lambda segment: target.done(film, segment) if same else None,
        settings, target, workers_config, on_progress,
    )  # fmt: skip
    if workers_config is not None:
        remove_temporaries(result)  # Left by workers that died.
    if all(target.done(film, segment) is not None for segment in all_segments):
        target.grades.unlink(missing_ok=True)
    there = sum(target.done(film, segment) or 0 for segment in share)
    _tell_lost(film, sum(frames_of(film, segment) for segment in share), there, note)
    return made
