"""Fail if the shipped weights have become worse on the computed scenes.

    python benchmarks/regression.py

reads   weights/hdrcnn.npz, data/truth/*.exr, benchmarks/regression.json
prints  every figure beside the committed one; the exit status is 1 if one is worse than the bounds
        of the committed confidence interval

    python benchmarks/regression.py --update    rewrites benchmarks/regression.json
"""

import sys
from pathlib import Path

from absl import flags

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.weights import WeightsError
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_string("truth", str(ROOT / "data" / "truth"), "Folder of the computed truths.")
flags.DEFINE_string(
    "figures", str(Path(__file__).with_suffix(".json")), "The committed figures (JSON)."
)
flags.DEFINE_bool("update", False, "Write the figures instead of comparing with them.")


def main() -> int:
    """Measure, then compare or write. Returns the exit status."""
    from hdrcnn import load
    from training_code.evaluation import regression

    path = Path(FLAGS.figures)
    committed = None if FLAGS.update else regression.load(path)
    with stderr_discarded():
        predictor = load(FLAGS.params, precision="float32")
    figures = regression.measure(predictor, Path(FLAGS.truth))
    if committed is None:
        regression.save(path, figures)
        print(f"wrote {path}")
        committed = figures
    lines, good = regression.compare(figures, committed)
    print("\n".join(lines))
    if not good:
        print("worse than committed by more than the confidence interval", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
