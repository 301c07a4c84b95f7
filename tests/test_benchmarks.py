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


def test_rows_are_compared_with_tensorflow_if_it_is_among_them(tmp_path, run_python):
    # In a process of its own, as every benchmark defines flags.
    script = (
        "import numpy as np\nfrom benchmarks import backends as b\n"
        "b.installed = lambda extra: None\n"
        "found = dict.fromkeys(b.TIMED, 2.0) | {'bytes': 3e8}\n"
        "print(b.compared_with(['JAX, float32', 'TensorFlow, float32']))\n"
        "print(b.compared_with(['JAX, float32', 'onnxruntime, float32']))\n"
        "print(b._row('JAX, float32', found, found, None))\n"
        "print(b._row('TensorFlow, float32', found, found, np.array([0.25, -0.25])))\n"
    )
    same = "x 1.00 | x 1.00 | x 1.00 | 300 MB"
    assert run_python("-c", script, cwd=tmp_path).stdout.splitlines() == [
        "TensorFlow, float32",
        "JAX, float32",
        f"| JAX, float32 | {same} | — | — | — |",
        f"| TensorFlow, float32 | {same} | 0.2500 | 0.2500 | — |",
    ]


def test_storage_that_moves_nothing_is_refused_before_anything_is_measured(tmp_path, run_python):
    done = run_python(BENCHMARKS / "scale.py", "--storage=0", cwd=tmp_path, status=1)
    assert "storage" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
