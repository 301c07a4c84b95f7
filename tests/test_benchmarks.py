"""The benchmarks that are more than a loop: what they leave out, refuse and compare with."""

import numpy as np

from hdrcnn.writers.exr import write_exr
from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"


def test_views_too_black_to_be_exposed_are_left_out_of_clipping(tmp_path, run_python):
    folder = tmp_path / "scenes"
    folder.mkdir()
    light = np.random.default_rng(4).lognormal(0.0, 1.0, (70, 80, 3)).astype(np.float32)
    write_exr(folder / "day.exr", light)
    light[1:] = 0.0
    write_exr(folder / "cave.exr", light)
    done = run_python(
        BENCHMARKS / "clipping.py", f"--scenes={folder}", "--others", "--qualities=90",
        "--levels=240", "--clipped=0.05", cwd=tmp_path,
    )  # fmt: skip
    assert "cave is left out: " in done.stdout
    # Both curves of the other view, at one level.
    assert "png           2 pictures" in done.stdout
