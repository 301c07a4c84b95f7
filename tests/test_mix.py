"""Mixed weights are the weighted mean of files of the same network."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdrcnn
from hdrcnn import weights
from hdrcnn.models.metadata import FilmCurves, Hdrcnn
from hdrcnn.weights import WeightsError
from tests.conftest import ROOT
from training_code import hdrcnn_mix


def saved(path: Path, seed: int, width: int = 4, **facts: Any) -> dict[str, np.ndarray]:
    """Save random arrays, some of which grow with the width, in a weights file; return them as
    stored.
    """
    rng = np.random.default_rng(seed)
    shapes = {"conv/kernel": (3, 3, width, width), "conv/bias": (width,), "out/kernel": (1, 1, 3)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights.save(
        path, arrays, Hdrcnn(width, "mean_curve", "channel", training={"seed": seed, **facts})
    )
    return weights.load(path)[0]


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "training_code" / "hdrcnn_mix.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_writes_the_weighted_mean(tmp_path):
    parts = [(share, tmp_path / f"{share}.npz") for share in (0.5, 0.3, 0.2)]
    arrays = [saved(path, seed) for seed, (_, path) in enumerate(parts)]
    given = [f"--part={share}={path.name}" for share, path in parts]
    done = command(*given, "--out=new/mixed.npz", "--blend=steady", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    mixed, metadata = weights.load(tmp_path / "new" / "mixed.npz")
    assert isinstance(metadata, Hdrcnn)
    assert metadata.blend == "steady"
    assert metadata.training == {
        "seed": 0,
        "mixture": [[0.5, "0.5.npz"], [0.3, "0.3.npz"], [0.2, "0.2.npz"]],
    }
    for name in mixed:
        expected = np.average([part[name] for part in arrays], axis=0, weights=[0.5, 0.3, 0.2])
        # The file holds half floats.
        np.testing.assert_allclose(mixed[name], expected, rtol=1e-3, atol=1e-4)


def test_a_file_mixed_with_itself_is_unchanged(tmp_path):
    arrays = saved(tmp_path / "a.npz", 1)
    mixed, facts = hdrcnn_mix.mix([(0.25, tmp_path / "a.npz"), (0.75, tmp_path / "a.npz")])
    assert isinstance(facts, Hdrcnn)
    assert facts.blend == "channel"
    for name, array in arrays.items():
        np.testing.assert_allclose(mixed[name], array, rtol=1e-6)


def test_a_mixture_lists_the_scenes_of_all_its_parts(tmp_path):
    saved(tmp_path / "a.npz", 1, scenes=["x", "y"], start={"scenes": ["v"]})
    saved(tmp_path / "b.npz", 2, scenes=["w", "y"], start={"scenes": "the same", "start": {}})
    saved(tmp_path / "c.npz", 3, start={"scenes": ["u"]})
    parts = [
        (share, tmp_path / f"{name}.npz") for share, name in ((0.5, "a"), (0.3, "b"), (0.2, "c"))
    ]
    assert hdrcnn_mix.mix(parts)[1].training["scenes"] == ["u", "v", "w", "x", "y"]


def test_directions_are_kept_for_one_file_and_dropped_for_a_mean(tmp_path):
    record = FilmCurves(2, 4, 1, 3, directions=((0.5, 1.0),), apart=1.0)
    weights.save(tmp_path / "a.npz", weights.collect(record.build()), record)
    one, two = [(1.0, tmp_path / "a.npz")], [(0.5, tmp_path / "a.npz")] * 2
    mixed = [hdrcnn_mix.mix(parts)[1] for parts in (one, two)]
    assert [getattr(found, "directions", None) for found in mixed] == [((0.5, 1.0),), None]


def test_stops_scales_the_predicted_stops(tmp_path, tiny_weights):
    done = command(f"--part=1={tiny_weights}", "--stops=0.8", "--out=less.npz", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    code = np.random.default_rng(3).random((64, 32, 3), np.float32)
    whole, less = (hdrcnn.load(path) for path in (tiny_weights, tmp_path / "less.npz"))
    np.testing.assert_allclose(less.log_hdr(code), 0.8 * whole.log_hdr(code), atol=5e-3)
    assert less.metadata.training["stops"] == 0.8


@pytest.mark.parametrize("part", ["a.npz", "0.5", "=a.npz", "half=a.npz", "nan=a.npz", "-1=a.npz"])
def test_a_part_without_share_or_file_is_refused(part):
    with pytest.raises(WeightsError, match="share=file"):
        hdrcnn_mix.parse_part(part)


def test_files_that_cannot_be_mixed_are_refused_in_one_line(tmp_path):
    saved(tmp_path / "narrow.npz", 1)
    saved(tmp_path / "wide.npz", 2, width=8)
    for parts, said in (
        (["0.5=narrow.npz", "0.5=wide.npz"], "wide.npz: "),
        (["0.5=narrow.npz", "0.6=narrow.npz"], "1"),
        (["0.5=narrow.npz"], "together"),
        (["1=narrow.npz", "--stops=0"], "stops"),
        (["0.5=narrow.npz", "0.5=absent.npz"], "absent.npz: "),
    ):  # fmt: skip
        given = (part if part.startswith("--") else f"--part={part}" for part in parts)
        done = command(*given, "--out=out.npz", folder=tmp_path)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


def test_a_mixture_says_in_what_its_parts_differ_and_not_where_they_lay(tmp_path):
    arrays = saved(tmp_path / "a.npz", 1)
    for name, record in (
        ("b.npz", Hdrcnn(4, "srgb", "channel")),
        ("c.npz", Hdrcnn(4, "mean_curve", "steady")),
    ):
        weights.save(tmp_path / name, arrays, record)
    given = [f"--part={share}={tmp_path / name}.npz" for share, name in ((0.5, "a"), (0.25, "b"))]
    done = command(*given, "--part=0.25=c.npz", "--out=mixed.npz", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(";")[0].rpartition("/")[2] for line in lines] == [
        "b.npz: its linearisation is srgb",
        "c.npz: its blend is steady",
        "wrote mixed.npz",
    ]
    mixed = weights.load(tmp_path / "mixed.npz")[1]
    assert isinstance(mixed, Hdrcnn)
    assert (mixed.linearisation, mixed.blend) == ("mean_curve", "channel")
    assert mixed.training["mixture"] == [[0.5, "a.npz"], [0.25, "b.npz"], [0.25, "c.npz"]]
    elsewhere = hdrcnn_mix.mix([(0.5, tmp_path / "a.npz"), (0.5, tmp_path / "b.npz")])[1]
    assert elsewhere.training["mixture"] == [[0.5, "a.npz"], [0.5, "b.npz"]]
