"""Flags of `cli.predict` that do not go together, said before anything is done."""

import dataclasses
from collections.abc import Collection

from absl import flags

from hdrcnn.batch import farm
from hdrcnn.batch.shards import Shard
from hdrcnn.colour.clipping_level import AUTO
from hdrcnn.writers import WRITERS

FLAGS = flags.FLAGS


def is_scaling(text: str) -> bool:
    """Whether a text can be that of --scaling."""
    try:
        return text == AUTO or 0.1 <= float(text) <= 10.0
    except ValueError:
        return False


def place() -> farm.Place | None:
    """Where workers are wanted; None: this process does it. Raises ValueError."""
    names = [field.name for field in dataclasses.fields(farm.Place)]
    asked = farm.Place(**{name: getattr(FLAGS, name) for name in names})
    if FLAGS.engine == "dask" or asked.scheduler is not None:
        return asked
    if asked != farm.Place():
        raise ValueError("--workers and --worker_gigabytes are those of --engine=dask; give it too")
    return None


def shard() -> Shard:
    """The share of this run. Raises ValueError."""
    asked = Shard.parse(FLAGS.shard)
    if asked != Shard() and FLAGS.report:
        raise ValueError("--shard with --report: it needs all pictures; leave one of them out")
    return asked


def _given(name: str) -> bool:
    return FLAGS[name].present > 0 and FLAGS[name].value is not False


def check_used(formats: Collection[str]) -> None:
    """Raises ValueError where a flag was given that would change nothing."""
    for name in {name: None for writer in WRITERS.values() for name in writer.flags}:
        used = [kind for kind, writer in WRITERS.items() if name in writer.flags]
        if _given(name) and not set(used) & set(formats):
            raise ValueError(
                f"--{name} changes nothing: it is for --format={' or '.join(used)}; name it there, "
                "or leave it out"
            )
    if _given("exr_level") and FLAGS.exr_compression not in ("dwaa", "dwab"):
        raise ValueError(
            "--exr_level changes nothing: it is for --exr_compression=dwaa or dwab; give one too"
        )
    if _given("exposure") and not FLAGS.previews:
        raise ValueError("--exposure changes nothing: it is for --previews; give it too")
