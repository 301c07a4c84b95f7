"""Feed damaged files to the reader: each gives an image or one line, and nothing on stderr.

python tests/readers/fuzz_photographs.py --count 10000

Small valid files of every kind, damaged at random, are decoded in this process, without TensorFlow.
The current file is `picture` in `--folder`, where it remains if it ends the process.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_photograph
from tests.readers.pictures import CODES, by_pillow, of_each_kind
from tests.readers.test_bmp import PALETTE, bmp, words
from tests.readers.test_photograph_faults import checked_again
from tests.readers.test_photograph_odd import gif

MEGAPIXELS = 24.0
"""Largest size that a damaged file may claim; the bounds on time and memory hold for it."""


def seeds() -> dict[str, bytes]:
    """Valid files: those of `of_each_kind`, and some that the project's own code decodes."""
    runs = bytes((7, 0x12, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0, 2, 1, 1, 3, 0x44, 0, 1))
    masks = (0x7C00, 0x3E0, 0x1F, 0x8000)
    return of_each_kind() | {
        "rle8.bmp": bmp(13, 4, 8, 1, runs, palette=PALETTE),
        "rle4.bmp": bmp(13, 4, 4, 2, runs, palette=PALETTE),
        "fields.bmp": bmp(13, 11, 16, 3, words(CODES >> 3 & 1, masks, 16), masks, 124),
        "screen.gif": gif((13, 10), (3, 2), CODES[:5, :4, 0] % 4),
        "interlaced.gif": by_pillow("GIF", CODES[..., 0], interlace=1),
        "grey.jpg": by_pillow("JPEG", CODES[..., 0], optimize=True),
        "restarts.jpg": by_pillow("JPEG", CODES[..., :3], restart_marker_blocks=1),
        "alpha.avif": by_pillow("AVIF", CODES),
        "alpha.webp": by_pillow("WEBP", CODES, quality=50),
    }


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file: flip bits, set numbers to extremes, cut out, double or move parts, truncate
    it.
    """
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        # Headers matter more than samples: half of the damage goes there.
        reach = max(len(content) if rng.random() < 0.5 else min(len(content), 200), 1)
        at, size, way = int(rng.integers(reach)), int(rng.integers(1, 40)), rng.integers(7)
        if way <= 1 and content:
            content[at % len(content)] ^= 1 << int(rng.integers(8))
        elif way == 2:
            content[at : at + 1] = rng.bytes(1)
        elif way == 3:
            content[at : at + 4] = bytes([(0, 255, 127, 128)[rng.integers(4)]]) * 4
        elif way == 4:
            del content[at : at + size]
        elif way == 5:
            content[at:at] = content[at : at + size]
        elif rng.random() < 0.3:
            del content[at + 12 :]
        else:
            other = int(rng.integers(reach))
            content[at : at + size] = content[other : other + size]
    return bytes(content)


def mutants(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name of the seed and a damaged file; half of the PNG files get correct
    checksums.
    """
    rng = np.random.default_rng(seed)
    files = seeds()
    for turn in range(count):
        name = list(files)[turn % len(files)]
        data = damaged(files[name], rng)
        yield name, checked_again(data) if name.endswith("png") and rng.random() < 0.5 else data


def attempt(path: Path) -> str:
    """Return "read" or "refused"; raises AssertionError if the image or the message is invalid."""
    try:
        photograph = read_photograph(path, max_megapixels=MEGAPIXELS)
    except ImageError as error:
        said = str(error)
        assert said.startswith(f"{path}: "), said
        assert said.isprintable(), said
        return "refused"
    code = photograph.code
    assert code.ndim == 3
    assert code.shape[2] == 3
    assert 0 <= code.min() <= code.max() <= 1
    if photograph.alpha is not None:
        assert photograph.alpha.shape == code.shape[:2]
        assert 0 <= photograph.alpha.min() <= photograph.alpha.max() <= 1
    return "read"


def peak_megabytes() -> float:
    """Peak memory of this process in megabytes; 0 if the system does not report it."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Print one line of JSON: outcomes by seed, peak memory, slowest file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    path, slowest = folder / "picture", (0.0, "")
    outcomes: dict[str, dict[str, int]] = {}
    before = peak_megabytes()
    for name, data in mutants(options.count, options.seed):
        path.write_bytes(data)
        start = time.perf_counter()
        outcome = attempt(path)
        slowest = max(slowest, (time.perf_counter() - start, name))
        counts = outcomes.setdefault(name, {"read": 0, "refused": 0})
        counts[outcome] += 1
    path.unlink(missing_ok=True)
    said = {
        "outcomes": outcomes,
        "megabytes": peak_megabytes() - before,
        "slowest": slowest,
        "tensorflow": "tensorflow" in sys.modules,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
