r"""Mix weights of trainings that started from the same weights, or make weights more cautious.

    python training_code/hdrcnn_mix.py --out runs/mixed.npz \
        --part 0.7=runs/jpeg/weights.npz --part 0.3=weights/hdrcnn.npz
    python training_code/hdrcnn_mix.py --out runs/held_back.npz \
        --part 1=runs/clean/weights.npz --stops 0.9

Every array is the mean of those of the parts, weighted by their shares. Weights of which one was
trained from the other, or both from a third file, usually lie in one valley of the loss; a mixture
of them is then at least as good as they are on average, each on its own task (Wortsman et al. 2022,
"Robust fine-tuning of zero-shot models", arXiv:2109.01903). This does not hold for weights with
different initialisations, so judge a mixture by `hdrcnn_evaluate.py`.

The metadata of the result is that of the first part, with the list of the parts and their shares,
and the training scenes of all parts. Settings in which other parts differ are printed; `--blend`
changes the blend. `--stops 0.9` makes weights that predict 0.9 of the stops above the clipping
level: the last layer is a convolution in the log domain, which is scaled. This gains less on lamps
and loses less on surfaces that only seem to shine. Choose the factor on other pictures than those
of the evaluation.
"""

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn import weights
from hdrcnn.files import ImageError
from hdrcnn.models.metadata import FilmCurves, Hdrcnn, Metadata
from hdrcnn.predict.blend import BLENDS
from hdrcnn.weights import WeightsError
from training_code.console import placeless, run
from training_code.scenes.seen import trained_on

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("part", [], "share=weights.npz, several times; the shares add up to 1.")
flags.DEFINE_float("stops", 1.0, "Factor of the predicted stops.", lower_bound=0.1, upper_bound=4.0)
flags.DEFINE_string("out", None, "File to write.", required=True)
flags.DEFINE_enum("blend", None, list(BLENDS), "Blend to store. Default: that of the first part.")


LAST = ("fuse0/kernel", "fuse0/bias")
"""Arrays of the last layer of HDRCNN; its output, in the log domain, is linear in them."""


def parse_part(part: str) -> tuple[float, Path]:
    """Parse the share and the file of a part. Raises WeightsError."""
    share, sign, path = part.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = math.nan
    if not (sign and path and 0.0 < number <= 1.0):
        raise WeightsError(f"--part {part}: needs share=file, such as 0.7=runs/jpeg/weights.npz")
    return number, Path(path)


def mix(parts: Sequence[tuple[float, Path]]) -> tuple[dict[str, np.ndarray], Metadata]:
    """Weighted mean of weights files, array by array, float32.

    parts: share and file of each. Returns the arrays and the metadata of the first part, with the
    scenes that any part was trained on. Raises WeightsError if the shares do not add up to 1, a
    file cannot be used, or two files are for different networks, or their arrays differ in names or
    shapes.
    """
    shares = [share for share, _ in parts]
    if not parts or abs(sum(shares) - 1.0) > 1e-6:
        raise WeightsError(f"--part: the shares must together be 1; they are {shares}")
    (_, first), *_ = parts
    arrays, metadata = weights.load(first)
    shapes = {name: array.shape for name, array in arrays.items()}
    mixed = {name: shares[0] * array for name, array in arrays.items()}
    scenes = trained_on(metadata.training)
    for share, path in parts[1:]:
        arrays, other = weights.load(path)
        same = {name: array.shape for name, array in arrays.items()} == shapes
        if not same or other.model != metadata.model:
            raise WeightsError(
                f"{path}: for a network {other.model} of width {other.channels}, but {first} is "
                f"for {metadata.model} of width {metadata.channels}; mix weights of one network"
            )
        for name, array in arrays.items():
            mixed[name] += share * array
        scenes |= trained_on(other.training)
    training = dict(metadata.training)
    if len(parts) > 1:
        training["mixture"] = [[s, placeless(path)] for s, path in parts]
        if isinstance(metadata, FilmCurves):  # They were measured for one part, not the mixture.
            metadata = dataclasses.replace(metadata, directions=None, apart=None)
    if scenes:
        training["scenes"] = sorted(scenes)
    return mixed, dataclasses.replace(metadata, training=training)


def differences(paths: Sequence[Path]) -> list[str]:
    """Lines that say in which settings, such as the blend, parts differ from the first, whose
    settings a mixture gets. Raises WeightsError.
    """

    def settings(path: Path) -> dict[str, Any]:
        record = weights.load(path)[1].as_record()
        return {name: record[name] for name in record.keys() - {"training", "directions", "apart"}}

    first, *others = (settings(path) for path in paths)
    return [
        f"{path}: its {name} is {own[name]}; the mixture gets {first[name]}, that of {paths[0]}"
        for path, own in zip(paths[1:], others, strict=True)
        for name in sorted(own)
        if own[name] != first[name]
    ]


def held_back(
    arrays: dict[str, np.ndarray], metadata: Hdrcnn, stops: float
) -> tuple[dict[str, np.ndarray], Hdrcnn]:
    """Scale weights of HDRCNN to predict `stops` times y = log(H + 1/255); record the factor."""
    scaled = {name: array * stops if name in LAST else array for name, array in arrays.items()}
    training = {**metadata.training, "stops": stops * metadata.training.get("stops", 1.0)}
    return scaled, dataclasses.replace(metadata, training=training)


def main() -> int:
    """Mix the parts and write the file. Returns the exit status."""
    parts = [parse_part(part) for part in FLAGS.part]
    arrays, metadata = mix(parts)
    for line in differences([path for _, path in parts]):
        print(line)
    if FLAGS.blend or FLAGS.stops != 1.0:
        kept = weights.expect_kind(arrays, metadata, Hdrcnn, FLAGS.part[0])
        if FLAGS.stops != 1.0:
            arrays, kept = held_back(arrays, kept, FLAGS.stops)
        metadata = dataclasses.replace(kept, blend=FLAGS.blend or kept.blend)
    out = Path(FLAGS.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    weights.save(out, arrays, metadata)
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    run(main, WeightsError, ImageError, OSError)
