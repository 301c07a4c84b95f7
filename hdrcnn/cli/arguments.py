"""Arguments that several commands share: a function for each group, and checks after parsing.

Arguments that contradict each other or have no effect are reported before any work is done.
"""

import argparse
import dataclasses
from collections.abc import Iterable, Mapping

from hdrcnn.batch.machines import Shard, WorkersConfig
from hdrcnn.cli.parser import FLAGFILE, Parser, UsageError, listed, nonempty, number
from hdrcnn.predict.runtime import BACKENDS, DEVICES, PRECISIONS
from hdrcnn.writers import WRITERS, Options, Writer

MAX_MEGAPIXELS = 250.0
"""Same value as in `readers.photograph`, which takes too long to import for a command's help."""
Group = argparse._ArgumentGroup


def input_and_output(parser: Parser) -> Group:
    """Add the arguments that select the photographs and the place of the results."""
    group = parser.add_argument_group("Input and output")
    if parser.paths:
        group.add_argument(
        "paths", metavar="PATH", nargs="*", type=nonempty,
        help="picture, folder with subfolders, or pattern in quotes",
    )  # fmt: skip
    group.add_argument(
        "--im_dir", metavar="PATH", action="append", default=[], type=nonempty,
        help="picture, folder or pattern; may be given several times",
    )  # fmt: skip
    group.add_argument(
        "--out_dir", metavar="FOLDER", default="out", type=nonempty,
        help="folder for the results",
    )  # fmt: skip
    parser.switch(group, "--overwrite", "recompute all; replace any file except photographs")
    group.add_argument(
        "--max_megapixels", metavar="NUMBER", type=number(float, 1e-6, 1e6),
        default=MAX_MEGAPIXELS, help="size above which a picture is refused",
    )  # fmt: skip
    flagfile(group)
    return group


def flagfile(group: Group) -> None:
    """Add `--flagfile`, which reads flags from a file."""
    group.add_argument(
        f"--{FLAGFILE}", metavar="FILE", help="text file with further flags, one on each line"
    )


def formats(parser: Parser, writers: Mapping[str, Writer] = WRITERS, default: str = "exr") -> Group:
    """Add `--format`, and an argument for each field of `writers.Options`.

    default: of `--format`; may be empty.
    """
    known = "\n".join(f"  {key}, {writer.label} {writer.about}" for key, writer in writers.items())
    group = parser.add_argument_group("Formats", known)
    group.add_argument(
        "--format", metavar="NAME,...", type=listed, default=[default] if default else [],
        help=f"formats to write, separated by commas: {', '.join(writers)}",
    )  # fmt: skip
    for field in dataclasses.fields(Options):
        flag, text, choices = f"--{field.name}", field.metadata["about"], field.metadata["choices"]
        if isinstance(field.default, bool):
            parser.switch(group, flag, text)
        elif choices:
            group.add_argument(flag, choices=choices, default=field.default, help=text)
        else:
            kind = number(int if isinstance(field.default, int) else float)
            group.add_argument(flag, metavar="NUMBER", type=kind, default=field.default, help=text)
    return group


def many_files(parser: Parser) -> Group:
    """Add the arguments for logging and for the distribution of work."""
    group = parser.add_argument_group("Many files")
    parser.switch(group, "--quiet", "print only what went wrong")
    group.add_argument(
        "--log", metavar="FILE", type=nonempty,
        help="file to which a line of JSON is added for every picture",
    )  # fmt: skip
    machines(group, "convert one of N equal shares: 3/16 is the third of sixteen")
    return group


def machines(group: Group, shares: str) -> None:
    """Add the arguments for shares and Dask workers. shares: help of `--shard`."""
    for flag, metavar, text in (
        ("--shard", "I/N", shares),
        ("--scheduler", "ADDRESS",
         "Dask scheduler that has its own workers: tcp://host:8786 or tls://host:8786"),
        ("--tls_ca_file", "FILE", "PEM file of the authority that certifies a tls:// scheduler"),
        ("--tls_cert", "FILE", "PEM file of your certificate for a tls:// scheduler"),
        ("--tls_key", "FILE", "PEM file of its private key, if that is not in the same file"),
    ):  # fmt: skip
        group.add_argument(flag, metavar=metavar, type=nonempty, help=text)
    group.add_argument(
        "--engine", choices=("local", "dask"), default="local",
        help="where the work is done: in this process, or by Dask workers on this machine",
    )  # fmt: skip
    group.add_argument(
        "--workers", metavar="NUMBER", type=number(int),
        help="processes of --engine=dask (default: one for 4 cores)",
    )  # fmt: skip
    group.add_argument(
        "--worker_gigabytes", metavar="NUMBER", type=number(float),
        help="memory of each worker (default: an equal share)",
    )  # fmt: skip


def hardware(parser: Parser) -> Group:
    """Add the arguments for device, precision and memory of the network."""
    group = parser.add_argument_group("Hardware")
    network(group)
    group.add_argument(
        "--precision", choices=PRECISIONS, default="auto",
        help="precision of the convolutions; auto: bfloat16 on processors that have it, but "
        "float32 for an originally published weights file; int8: with --backend=onnx",
    )  # fmt: skip
    group.add_argument(
        "--tile_pixels", metavar="NUMBER", type=number(int, 0, 1 << 40),
        help="pixels the network works on at once, 0: all (default: as many as the memory allows)",
    )  # fmt: skip
    return group


def paths(arguments: argparse.Namespace, what: str = "pictures, folders or patterns") -> list[str]:
    """Return all paths, given by position or by --im_dir. Raises UsageError if there are none.

    what: what the paths name, for that error.
    """
    found = [*arguments.paths, *arguments.im_dir]
    if not found:
        raise UsageError(f"no PATH given; name {what}, see --help")
    return found


def options(arguments: argparse.Namespace) -> Options:
    """Return the options of the writers. Raises UsageError."""
    try:
        return Options(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Options)})
    except ValueError as error:  # Its message begins with the name and the value.
        raise UsageError(f"--{error}".replace(" ", "=", 1)) from error


def network(group: Group) -> None:
    """Add `--backend` and `--device`."""
    group.add_argument(
        "--backend", choices=BACKENDS, default="auto",
        help="library that computes the network; auto: the first of tensorflow, jax and onnx that "
        "is installed",
    )  # fmt: skip
    group.add_argument(
        "--device", choices=DEVICES, default="auto", help="where the network is computed"
    )


def workers_config(arguments: argparse.Namespace) -> WorkersConfig | None:
    """Return where Dask workers do the work, or None if this process does. Raises UsageError,
    ValueError.
    """
    asked = {
        field.name: getattr(arguments, field.name) for field in dataclasses.fields(WorkersConfig)
    }
    if arguments.engine != "dask" and all(value is None for value in asked.values()):
        return None
    found = WorkersConfig(**asked)
    if arguments.engine != "dask" and found.scheduler is None:
        raise UsageError("--workers and --worker_gigabytes need --engine=dask; give it too")
    if found.scheduler is not None:
        refuse(
            arguments, ["backend"], "workers of --scheduler have their own; set HDRCNN_BACKEND "
            "where they are started, or leave it out",
        )  # fmt: skip
        if "engine" in arguments.given and arguments.engine != "dask":
            raise UsageError(
                f"--engine={arguments.engine} changes nothing: --scheduler has workers of its own; "
                "leave one of them out"
            )
    return found


def shard(arguments: argparse.Namespace) -> Shard | None:
    """Return the share of this run, or None without `--shard`. Raises UsageError, ValueError."""
    if arguments.shard is None:
        return None
    asked = Shard.parse(arguments.shard)
    if asked.of > 1 and getattr(arguments, "report", False):
        raise UsageError("--shard with --report: it needs all pictures; leave one of them out")
    return asked


HARDWARE = ("backend", "device", "precision", "tile_pixels")
"""Names of the flags that `hardware` adds."""


def refuse(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raise UsageError if one of the named flags was given. why: the reason it has no effect."""
    for name in names:
        if name in arguments.given:
            raise UsageError(f"--{name} changes nothing: {why}")


def check_used(arguments: argparse.Namespace, writers: Mapping[str, Writer] = WRITERS) -> None:
    """Raise UsageError if a flag was given that would have no effect."""

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
