"""Arguments that contradict each other or change nothing, reported before anything is done."""

import argparse
import dataclasses
from collections.abc import Mapping

from hdrcnn.batch.place import Place
from hdrcnn.batch.shards import Shard
from hdrcnn.cli.parser import UsageError
from hdrcnn.writers import WRITERS, Writer


def place(arguments: argparse.Namespace) -> Place | None:
    """Where workers are wanted; None: this process does the work. Raises UsageError, ValueError."""
    asked = Place(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Place)})
    if arguments.engine == "dask" or asked.scheduler is not None:
        return asked
    if asked != Place():
        raise UsageError("--workers and --worker_gigabytes need --engine=dask; give it too")
    return None


def shard(arguments: argparse.Namespace) -> Shard:
    """The share of this run. Raises UsageError, ValueError."""
    asked = Shard.parse(arguments.shard) if arguments.shard is not None else Shard()
    if asked != Shard() and arguments.report:
        raise UsageError("--shard with --report: it needs all pictures; leave one of them out")
    return asked


def check_used(arguments: argparse.Namespace, writers: Mapping[str, Writer] = WRITERS) -> None:
    """Raises UsageError if a flag was given that would change nothing."""

    def given(name: str) -> bool:
        return name in arguments.given and getattr(arguments, name) is not False

    for name in {name: None for writer in writers.values() for name in writer.flags}:
        used = [kind for kind, writer in writers.items() if name in writer.flags]
        if given(name) and not set(used) & set(arguments.format):
            raise UsageError(
                f"--{name} changes nothing: it is for --format={' or '.join(used)}; name it there, "
                "or leave it out"
            )
    if given("exr_level") and arguments.exr_compression not in ("dwaa", "dwab"):
        raise UsageError(
            "--exr_level changes nothing: it is for --exr_compression=dwaa or dwab; give one too"
        )
    if given("exposure") and not arguments.previews:
        raise UsageError("--exposure changes nothing: it is for --previews; give it too")
