"""Convert the photographs that a command names: print a line for each, write a log and a report.

The log contains a line of JSON for every photograph, for use by scripts.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import FIGURES, Outcome, SequenceStates, Settings
from hdrcnn.batch.machines import Shard, WorkersConfig
from hdrcnn.batch.plan import Job, plan
from hdrcnn.batch.recipe import is_result
from hdrcnn.batch.run import convert_all, settle
from hdrcnn.console import say
from hdrcnn.files import (
    ImageError,
    OutputFolder,
    OutputLostError,
    missing_files,
    not_written,
    prepare_folder,
    real_path,
    remove_temporaries,
)
from hdrcnn.predict import backend
from hdrcnn.review.page import NAME, Collected
from hdrcnn.weights import CAMERA_CURVE, JPEG, SHIPPED, VIDEO
from hdrcnn.writers import Options


def record(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """Return the log record of an outcome. `seconds` is the time spent in this run, also for a kept
    result.
    """
    figures = None
    if outcome.error is None:
        figures = {name: getattr(outcome, name) for name in FIGURES}
        figures["stops_gained"] = outcome.stops_gained
    return {
        "source": str(outcome.job.source),
        "output": str(outcome.job.output(settings.endings[0])),
        "files": settings.files(outcome.job),
        "status": outcome.status,
        "reason": outcome.error,
        "weights": outcome.weights or None,
        "figures": figures,
        "seconds": round(outcome.seconds, 3),
    }


def fault(reason: str) -> dict[str, Any]:
    """Return the log record of a path that did not become a job."""
    return {"source": None, "output": None, "files": {}, "status": "failed", "reason": reason,
            "weights": None, "figures": None, "seconds": 0.0}  # fmt: skip


class Journal:
    """Log file to which whole lines are appended. Without a path it does nothing."""

    def __init__(self, path: Path | None, others: Iterable[Path] = ()) -> None:
        """others: files that `path` must not be. An existing file must be a log already.

        Raises ImageError.
        """
        self._path = path
        if path is None:
            return
        if real_path(path) in {real_path(other) for other in others}:
            raise ImageError(f"{path}: a picture, its result or weights; give --log another name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_char_device() or path.is_fifo():  # A terminal or pipe has no content.
                return
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(0)
                    if file.read(1) != b"{":
                        raise ImageError(f"{path}: not a log of this tool; give --log another name")
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # Incomplete last line of a killed run.
                        file.write(b"\n")
        except OSError as error:
            raise not_written(path, error.strerror or error) from error

    def add_last(self, record: dict[str, Any], folder: Path) -> None:
        """Append a last line, if possible, after the folder of the results became unwritable.

        A log inside that folder is left alone: it would recreate the folder on another disk.
        """
        if self._path is None or real_path(folder) in real_path(self._path).parents:
            return
        with contextlib.suppress(ImageError):
            self.add(record)

    def add(self, record: dict[str, Any]) -> None:
        """Append a line in a single write. Raises ImageError."""
        if self._path is None:
            return
        line = (json.dumps(record, allow_nan=False) + "\n").encode()
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise not_written(self._path, error.strerror or error) from error


def settings_of(arguments: argparse.Namespace, options: Options) -> Settings:
    """Return the settings that the arguments of `hdrcnn predict` ask for. Raises ValueError."""
    changed: dict[str, Any] = {
        "formats": tuple(dict.fromkeys(arguments.format)),
        "options": options,
        "camera_curve": None if arguments.camera_curve == "auto" else arguments.camera_curve,
        "report_bytes": 0,
    }
    names = [field.name for field in dataclasses.fields(Settings) if field.name not in changed]
    return Settings(**changed, **{name: getattr(arguments, name) for name in names})


def _params(arguments: argparse.Namespace) -> Path | None:
    """Return the weights file for all photographs, or None if it is chosen for each."""
    return None if arguments.params == "auto" else Path(arguments.params)


def _outcomes(
    jobs: Sequence[Job],
    networks: Networks,
    settings: Settings,
    sequences: SequenceStates | None,
    arguments: argparse.Namespace,
    workers_config: WorkersConfig | None,
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of the jobs, done by this process or by workers."""
    if workers_config is None:
        yield from convert_all(jobs, networks, settings, sequences)
    else:
        from hdrcnn.batch import dask_engine

        request = dask_engine.ask(
            settings, _params(arguments), arguments.device, arguments.tile_pixels
        )
        yield from dask_engine.convert_all(jobs, networks, request, workers_config, sequences)


def _still_there(outcome: Outcome, folder: OutputFolder) -> Outcome:
    """Return the outcome, or a failed one if the folder of the results is gone: workers may have
    written to another disk.
    """
    try:
        folder.check()
    except OutputLostError as error:
        return Outcome(outcome.job, str(error), output_lost=True, seconds=outcome.seconds)
    return outcome


def convert(
    paths: Sequence[str],
    arguments: argparse.Namespace,
    options: Options,
    workers_config: WorkersConfig | None,
    shard: Shard | None,
    settings: Settings | None = None,
    group: Callable[[Sequence[Path], list[str]], list[tuple[Path, ...]]] | None = None,
) -> int:
    """Convert the photographs that the paths name, or a share of them. Returns the exit status.

    arguments: those of `hdrcnn predict`, or of a command with its own `settings`, checked.
    workers_config: where workers do the work; None: this process does. shard: the share; None: all
    photographs. settings: those of another command. group: as for `plan`.
    """
    backend.select(arguments.backend)
    out_dir, params = Path(arguments.out_dir), _params(arguments)
    settings = settings or settings_of(arguments, options)
    # `hdrcnn fuse` may read the exposures that `hdrcnn stack` has written.
    known = functools.partial(is_result, exposures=group is None)
    planned = plan(paths, out_dir, settings.endings, known, group)
    jobs, faults = list(planned.jobs), list(planned.faults)
    if shard is not None:
        jobs, faults = list(shard.select(jobs)), list(shard.select(faults))
    collected = Collected(out_dir, len(jobs)) if arguments.report else None
    settings = dataclasses.replace(settings, report_bytes=collected.room if collected else 0)
    networks = Networks.on(
        arguments.device,
        params,
        settings.sequence,
        precision=settings.precision,
        tile_pixels=arguments.tile_pixels,
        # With workers this process only settles the sequences: the GPUs are left to the workers.
        estimating_on=arguments.device if workers_config is None else "cpu",
    )
    folder = prepare_folder(out_dir)
    jobs = [dataclasses.replace(job, folder=folder) for job in jobs]
    if collected and not arguments.overwrite:
        collected.check_place()
    remove_temporaries(out_dir)
    touched = [
        path for job in planned.jobs for path in (*job.sources, *map(job.output, settings.endings))
    ]
    touched += [out_dir / NAME, SHIPPED, JPEG, VIDEO, CAMERA_CURVE, *([params] if params else [])]
    journal = Journal(None if arguments.log is None else Path(arguments.log), touched)
    for reason in faults:
        say(reason, sys.stderr)
        journal.add(fault(reason))
    missing, written, stopped = len(jobs) + len(faults), list[Path](), False
    # All shares of a sequence have to agree on its first frame.
    sequences = None if shard is None else settle(planned.jobs, networks, settings)
    with contextlib.closing(
        _outcomes(jobs, networks, settings, sequences, arguments, workers_config)
    ) as outcomes:
        for number, outcome in enumerate(outcomes, 1):
            outcome = _still_there(outcome, folder)
            if outcome.note:
                say(outcome.note, sys.stderr)
            if outcome.error is not None or not arguments.quiet:
                line = f"[{number}/{len(jobs)}] {outcome.line(settings.endings[0])}"
                say(line, sys.stdout if outcome.error is None else sys.stderr)
            if stopped := outcome.output_lost:
                journal.add_last(record(outcome, settings), out_dir)
                break
            journal.add(record(outcome, settings))
            missing -= outcome.error is None
            written += [] if outcome.error else map(outcome.job.output, settings.endings)
            if collected and outcome.entry is not None:
                collected.add(outcome.entry, outcome.job.stem.parent)
    if workers_config is not None:
        remove_temporaries(out_dir)  # Left by workers that died.
    if collected and not stopped:
        path = collected.write()
        if not arguments.quiet:
            say(path, sys.stdout)
    lost = missing_files(written)
    if lost:
        say(f"{lost[0]}: written, but gone now, one of {len(lost)} such; run again", sys.stderr)
    if missing:
        say(f"{missing} of {len(jobs) + len(faults)} not converted", sys.stderr)
    return 1 if missing or lost else 0
