"""Fuzz the reader with damaged weights files: each must give a result or a WeightsError.

python tests/weights/fuzz_weights.py --seconds 60

Files of both layouts are damaged in two ways: the bytes of the file, and the members of the
archive, which is packed again so that checksums are right. A file that breaks the reader is saved
as `fuzz_weights.npz`.
"""

import argparse
import io
import itertools
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hdrcnn import weights
from hdrcnn.models.hdrcnn import build
from hdrcnn.models.metadata import Hdrcnn
from tests.weights.published import published_arrays, save_published

WIDTH = 2


def seeds(folder: Path, model: keras.Model) -> list[bytes]:
    """Valid files: ours, and the published layout in old and new pickle protocols."""
    metadata = Hdrcnn(WIDTH, "mean_curve", "channel", training={"crops": 1})
    weights.save(folder / "ours.npz", weights.collect(model), metadata)
    files = [folder / "ours.npz"]
    for protocol in (0, 2, 5):
        arrays = published_arrays(WIDTH)
        files.append(save_published(folder / f"{protocol}.npz", arrays, protocol))
    return [file.read_bytes() for file in files]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Copy with some bits flipped, numbers set to extremes, parts removed or repeated."""
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        # Headers and opcodes are rare among the numbers, so half of the damage is near the start.
        reach = len(content) if rng.random() < 0.5 else min(len(content), 400)
        at = int(rng.integers(max(reach, 1)))
        size = int(rng.integers(1, 40))
        way = rng.integers(6)
        if way == 0 and content:
            content[at] ^= 1 << int(rng.integers(8))
        elif way == 1:
            content[at : at + 1] = rng.bytes(1)
        elif way == 2:
            content[at : at + 4] = bytes([[0, 255, 127, 128][rng.integers(4)]]) * 4
        elif way == 3:
            del content[at : at + size]
        elif way == 4:
            content[at:at] = content[at : at + size]
        elif rng.random() < 0.2:
            del content[at:]
    return bytes(content)


def damaged_inside(data: bytes, rng: np.random.Generator) -> bytes:
    """Copy with one member of the archive damaged, or missing now and then; checksums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    index = 0 if rng.random() < 0.3 else int(rng.integers(len(members)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for place, (name, content) in enumerate(members):
            if place == index and rng.random() < 0.05:
                continue
            archive.writestr(name, damaged(content, rng) if place == index else content)
    return packed.getvalue()


def mutants(files: list[bytes], seed: int) -> Iterator[bytes]:
    """Yield damaged files without end, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    for number in itertools.count():
        way = damaged_inside if rng.random() < 0.7 else damaged
        yield way(files[number % len(files)], rng)


def attempt(path: Path, model: keras.Model) -> str:
    """Result of reading a file: "read", "another network" or the start of the error."""
    try:
        arrays, metadata = weights.load(path)
        if weights.expect_kind(arrays, metadata, Hdrcnn, str(path)).width != WIDTH:
            return "another network"
        weights.assign(model, arrays, str(path))
    except weights.WeightsError as error:
        message = str(error)
        if not message.startswith(str(path)) or "\n" in message:
            raise ValueError(f"no clear line: {message!r}") from error
        return message.removeprefix(str(path))[:26]
    return "read"


def main() -> None:
    """Fuzz until the time is up, then print how often each result occurred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    model, found = build(WIDTH), Counter[str]()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.npz")
        for mutant in mutants(seeds(Path(folder), model), options.seed):
            path.write_bytes(mutant)
            try:
                found[attempt(path, model)] += 1
            except BaseException:
                Path("fuzz_weights.npz").write_bytes(mutant)
                print(f"seed {options.seed}: left in fuzz_weights.npz", file=sys.stderr)
                raise
            if time.monotonic() > end:
                break
    for said, times in found.most_common():
        print(f"{times:7d}  {said}")


if __name__ == "__main__":
    main()
