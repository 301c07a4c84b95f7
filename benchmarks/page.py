"""Compare the page of `web/` on one core with onnxruntime in Python, in time and result.

    python web/build.py && python benchmarks/page.py [--megapixels 2]

A picture with lamps everywhere, so that the network processes all of it, is reconstructed by the
page's own modules and onnxruntime-web, in WebAssembly, under Node.js, which has the same JavaScript
and WebAssembly compiler as Chromium. Seconds are processor time, so other work on the machine does
not count; loading, reading and saving are excluded.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.tiles import resolution
from hdrcnn.tiles.frame import Frame
from hdrcnn.tiles.onnx_graph import network
from hdrcnn.tiles.tiling import Tiling

WEB = ROOT / "web"
SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web/wasm";
import { Frame } from "./src/frame.js";
import { paste } from "./src/tiles.js";
import { facts } from "./src/network.js";
import { auto } from "./src/resolution.js";
const { model, codes, y, rows, columns } = JSON.parse(readFileSync(0, "utf8"));
ort.env.wasm.numThreads = 1;
const file = readFileSync(model), { stride, halo } = facts(file);
const session = await ort.InferenceSession.create(file, { enableMemPattern: false });
const run = async (part, height, width) => {
  const image = new ort.Tensor("float32", part, [1, height, width, 3]);
  return (await session.run({ image })).result.data;
};
await run(new Float32Array(3 * stride * stride), stride, stride);
const before = process.cpuUsage(), found = new Float32Array(3 * rows * columns);
const frame = new Frame(new Uint8Array(readFileSync(codes)), rows, columns);
await auto(frame, { stride, halo: Math.ceil(halo / stride) * stride, run }, (of, part) =>
  paste(found, frame.picture, part, of));
const { user, system } = process.cpuUsage(before);
writeFileSync(y, found);
process.stdout.write(JSON.stringify((user + system) / 1e6));
"""


def picture(megapixels: float) -> np.ndarray:
    """Make a picture of the given size from a sample of `data`, mirrored repeatedly: uint8."""
    with Image.open(ROOT / "data" / "night_market.png") as image:
        sample = np.asarray(image.convert("RGB"))
    rows, columns = (round(side * (megapixels * 1e6 / sample[..., 0].size) ** 0.5)
                     for side in sample.shape[:2])  # fmt: skip
    past = [
        (0, max(0, side - own)) for side, own in zip((rows, columns), sample.shape, strict=False)
    ]
    return np.pad(sample, (*past, (0, 0)), mode="symmetric")[:rows, :columns]


def by_page(codes: np.ndarray, model: Path) -> tuple[float, np.ndarray]:
    """Run the modules of the page; return processor seconds and y = log(H + 1/255), [H, W, 3]."""
    rows, columns = codes.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        stored, y = Path(folder) / "codes", Path(folder) / "y"
        stored.write_bytes(codes.tobytes())
        request = {"model": str(model), "codes": str(stored), "y": str(y)}
        done = subprocess.run(
            ["node", "--input-type=module", "-e", SCRIPT],  # noqa: S607 - by the user's path
            input=json.dumps({**request, "rows": rows, "columns": columns}),
            cwd=WEB, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return float(done.stdout), np.fromfile(y, np.float32).reshape(codes.shape)


def by_python(codes: np.ndarray, model: Path) -> tuple[float, np.ndarray]:
    """Run onnxruntime; return the same, with NaN where nothing is predicted."""
    tiling = Tiling(network(model))
    y = np.full(codes.shape, np.nan, np.float32)
    for number in range(2):  # The first is a warm-up that creates the sessions.
        frame = Frame(codes[:256, :256] if number == 0 else codes, tiling.cell, threshold=0.95)
        before = time.process_time()
        for piece, part in resolution.auto(frame, tiling):
            if number:
                y[piece.within(frame.picture)] = part
    return time.process_time() - before, y


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the page on one core.")
    parser.add_argument("--megapixels", type=float, default=2.0)
    codes = picture(parser.parse_args().megapixels)
    model = WEB / "dist" / "hdrcnn.onnx"
    page, y = by_page(codes, model)
    python, expected = by_python(codes, model)
    saturated = (codes > 0.95 * 255).any(axis=-1)
    stops = np.abs(y - expected)[saturated].max() / np.log(2)
    print(f"{codes.shape[1]}x{codes.shape[0]}, {saturated.mean():.1%} saturated")
    print(f"page         {page:6.1f} s of one core")
    print(f"onnxruntime  {python:6.1f} s, page / onnxruntime {page / python:.2f}")
    print(f"largest difference {stops:.4f} stops")


if __name__ == "__main__":
    main()
