"""Compare methods that make five exposures of one photograph, on held-out views.

    python training_code/stack_evaluate.py --scenes $HDR_SCENES --out_dir out \
        --validation training_code/validation_families.txt \
        --params "published GAN=weights/exposure_gan.npz" --params ours=weights/exposure_stack.npz

Photographs follow the protocol of the evaluation: fixed views of scenes, 5 % of the samples
clipped, through the sRGB curve, which all methods know. There is a table for each kind of file: PNG
with the protocol's noise, JPEG of quality 80 with that noise, and PNG without noise, where the only
error in dark regions is 8-bit quantisation. The first rows are the formula
encode(clip(decode(x) 2^k)) and the single-image network rendered at the same stops.

The script writes `stack.md`, `stack.csv`, and pictures of the first views: in columns the truth and
the methods in the order of the table; above a dark region four stops brighter, below a clipped
region four stops darker.
"""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError, prepare_folder
from hdrcnn.weights import SHIPPED, WeightsError
from training_code.console import run

if TYPE_CHECKING:
    from training_code.evaluation.protocol import View
    from training_code.evaluation.stack_methods import Method

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("scenes", [], "Folder with HDR scenes; may be given several times.")
flags.DEFINE_multi_string(
    "validation", [], "Text files of the families to use. Default: all families."
)
flags.DEFINE_multi_string("params", [], "NAME=FILE: a weights file; may be given several times.")
flags.DEFINE_string("highlights", str(SHIPPED), "Weights of the single-image network.")
flags.DEFINE_list("kinds", ["png", "jpeg80", "noiseless"], "Kinds of photographs, a table each.")
flags.DEFINE_integer("views", 0, "Largest number of views, evenly spread over all; 0: all.", 0)
flags.DEFINE_integer("shown", 4, "Number of views of which pictures are written.", 0)
flags.DEFINE_string("out_dir", None, "Folder for tables and pictures.", required=True)

KINDS = {
    "png": "PNG, noise 0.002",
    "jpeg80": "JPEG of quality 80, noise 0.002",
    "noiseless": "PNG without noise",
}
COLUMNS = {
    "clipped_psnr": ("clipped, k < 0 [dB]", "{:.2f}"),
    "dark_psnr": ("dark, k > 0 [dB]", "{:.2f}"),
    "noise": ("noise at +4 [codes]", "{:.2f}"),
    "bands": ("bands at +4 [codes]", "{:.2f}"),
    "order_violations": ("out of order [%]", "{:.2%}"),
    "disagreement": ("disagreement [stops]", "{:.3f}"),
    "highlight_rmse": ("merged: highlights RMSE [stops]", "{:.3f}"),
    "psnr_crf": ("merged: PU21-PSNR, CRF-corrected [dB]", "{:.2f}"),
}
CROP = 160
"""Side of the regions shown in pictures, pixels."""


def load_views() -> "list[View]":
    """Load the views of the scenes that the flags name; print which weights were trained on some.
    Raises ValueError if there are none.
    """
    from training_code.evaluation.methods import named_weights
    from training_code.evaluation.protocol import Protocol, fixed_views
    from training_code.scenes.seen import seen_lines
    from training_code.scenes.split import scenes_of_folders

    protocol = Protocol()
    scenes = scenes_of_folders(FLAGS.scenes, FLAGS.validation, views=protocol.views)
    if not scenes:
        raise ValueError("no scenes to evaluate on; give --scenes")
    every = [view for scene in scenes for view in fixed_views(scene, protocol)]
    files = [named.path for named in named_weights(FLAGS.params)]
    names = [scene.name for scene in scenes]
    for line in seen_lines([*files, Path(FLAGS.highlights)], names):
        print(line, flush=True)
    count = min(FLAGS.views or len(every), len(every))
    return [every[i * len(every) // count] for i in range(count)]


def photograph_view(view: "View", kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Photograph a view: codes [H, W, 3], float32 in [0, 1], and the truth, linear, 1.0 = clipping
    level. Raises TooBlackError.
    """
    from training_code.evaluation import protocol as p

    file = "jpeg80" if kind == "jpeg80" else "png"
    condition = p.Condition(file=file, curve="srgb")
    protocol = p.Protocol(noise_sd=0.0) if kind == "noiseless" else p.Protocol()
    truth = p.exposed_truth(view, condition)
    data = p.encode(p.photograph(view.name, truth, condition, protocol), file)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image, np.float32) / np.float32(255.0), truth


def busiest_square(share: np.ndarray) -> tuple[slice, slice]:
    """Square of `CROP` pixels a side that contains most of `share`, [H, W]."""
    total = np.pad(share.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    side = [min(CROP, n) for n in share.shape]
    sums = (
        total[side[0] :, side[1] :] - total[: -side[0], side[1] :]
        - total[side[0] :, : -side[1]] + total[: -side[0], : -side[1]]
    )  # fmt: skip
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return slice(int(top), int(top) + side[0]), slice(int(left), int(left) + side[1])


def picture(code: np.ndarray, truth: np.ndarray, stacks: list[np.ndarray]) -> np.ndarray:
    """Picture of the truth and all methods: a dark region at the brightest exposure, above a
    clipped one at the darkest.
    """
    from training_code.evaluation.stack_metrics import CLIPPED, DARK, true_exposures

    true = np.rint(true_exposures(truth)).astype(np.uint8)
    brightest = true[-1].max(axis=-1)
    dark = busiest_square((code.max(axis=-1) < DARK) & (brightest > 20) & (brightest < 250))
    clipped = busiest_square(code.max(axis=-1) >= CLIPPED)
    cells = [true, *stacks]
    rows = [np.concatenate([c[k][where] for c in cells], axis=1) for k, where in
            ((-1, dark), (0, clipped))]  # fmt: skip
    return np.concatenate(rows)


def table(title: str, figures: dict[str, list[dict[str, float]]]) -> str:
    """Markdown table of means; each figure is averaged over the views for which it is defined."""
    names = [name for name, _ in COLUMNS.values()]
    lines = [title, "", f"| method | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    for method, found in figures.items():
        cells = [
            form.format(float(np.nanmean([f[key] for f in found]))).removesuffix("%")
            for key, (_, form) in COLUMNS.items()
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_results(
    out: Path,
    figures: dict[str, dict[str, list[dict[str, float]]]],
    records: list[tuple[object, ...]],
) -> None:
    """Write the tables, and the figures of each photograph, so far."""
    from training_code.evaluation.files import write_csv, write_text

    tables = [
        table(f"{KINDS[kind]}, {len(next(iter(of.values())))} photographs", of)
        for kind, of in figures.items()
        if any(of.values())
    ]
    write_text(out / "stack.md", "\n\n".join(tables) + "\n")
    write_csv(out / "stack.csv", ["kind", "view", "method", *COLUMNS], records)


def methods() -> "dict[str, Method]":
    """Load the methods, by the names of their rows. Raises ValueError, WeightsError."""
    from hdrcnn.predict.single_image import load
    from training_code.evaluation import stack_methods as known
    from training_code.evaluation.methods import check_names, named_weights

    params = named_weights(FLAGS.params)
    highlights = known.Highlights(load(FLAGS.highlights))
    rows: dict[str, Method] = {
        "formula": known.formula,
        "single-image network": lambda code: known.rendered(highlights(code)),
    }
    check_names([*rows, *(named.name for named in params)])
    return rows | {named.name: known.load_method(named.path, highlights) for named in params}


def main() -> int:
    """Measure all views and write the tables. Returns the exit status."""
    from hdrcnn.writers.display import write_png
    from training_code.camera import TooBlackError
    from training_code.evaluation.protocol import Protocol
    from training_code.evaluation.shots import exclusion_reason
    from training_code.evaluation.stack_metrics import measure

    if not set(FLAGS.kinds) <= set(KINDS):
        raise ValueError(f"--kinds {','.join(FLAGS.kinds)}: known are {', '.join(KINDS)}")
    rows, out = methods(), Path(FLAGS.out_dir)
    prepare_folder(out)
    figures: dict[str, dict[str, list[dict[str, float]]]] = {
        kind: {name: [] for name in rows} for kind in FLAGS.kinds
    }
    records: list[tuple[object, ...]] = []
    for number, view in enumerate(load_views()):
        for kind in FLAGS.kinds:
            try:
                code, truth = photograph_view(view, kind)
            except TooBlackError as error:
                print(f"{view.name} is left out: {error}", flush=True)
                break
            reason = exclusion_reason(code, truth, Protocol())
            if reason:
                print(f"{view.name}, {kind}, is left out: {reason}", flush=True)
                continue
            stacks = [method(code) for method in rows.values()]
            for name, stack in zip(rows, stacks, strict=True):
                try:
                    found = measure(stack, truth, code)
                except ValueError as error:
                    raise ValueError(
                        f"{view.name}: the result of {name} cannot be measured: {error}"
                    ) from error
                figures[kind][name].append(found)
                records.append((kind, view.name, name, *(found[key] for key in COLUMNS)))
            if number < FLAGS.shown:
                path = out / f"{kind}_{view.name.replace('/', '_')}.png"
                write_png(path, picture(code, truth, stacks))
        print(f"[{number + 1}] {view.name}", flush=True)
        if records:
            write_results(out, figures, records)
    if not records:
        raise ValueError("no view can be exposed and judged; give other --scenes")
    print("\n" + (out / "stack.md").read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
