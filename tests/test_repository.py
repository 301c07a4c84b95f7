"""What the documents promise: the commands CI runs, the cards of the weights, the samples."""

import hashlib
import re

import numpy as np
import pytest

import hdrcnn
from hdrcnn import weights
from hdrcnn.batch import plan
from hdrcnn.cli import predict
from hdrcnn.cli.main import parser_of
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_line_of_the_readme():
    (line,) = (
        line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("python3")
    )
    assert f"`{line}`" in README
    assert line.endswith("-m pytest")


def test_every_flag_of_the_readme_exists():
    table = re.findall(r"`--(\w+)`", README)
    commands = (
        "training_code/hdrcnn_train", "training_code/run/config",
        "training_code/hdrcnn_evaluate",
    )  # fmt: skip
    source = "".join((ROOT / f"{name}.py").read_text() for name in commands)
    assert {"params", "gamma", "scaling", "camera_curve"} <= set(table)
    known = {action.dest for action in parser_of(predict, "hdrcnn predict")._actions}
    assert [flag for flag in table if flag not in known and f'"{flag}"' not in source] == []


def test_links_of_the_documents_lead_somewhere():
    for document in ROOT.glob("**/README.md"):
        if {".venv", "node_modules"} & set(document.parts):
            continue
        links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        assert [link for link in links if not (document.parent / link).exists()] == [], document


@pytest.mark.parametrize("path", sorted(ROOT.glob("weights/*.npz")), ids=lambda path: path.name)
def test_weights_have_a_card_and_a_size_worth_having(path):
    card = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    assert path.name in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    arrays, metadata = weights.load(path)
    assert metadata.training["scenes"]
    least = {
        "hdrcnn": 1_000_000,
        "camera_curve": 50_000,
        "fusion": 20_000,
        "exposure_gan": 280_000,
        "exposure_stack": 20_000,
        "film_curves": 20_000,
        "film_unet": 1_000_000,
    }[metadata.model]
    assert sum(array.size for array in arrays.values()) > least
    assert path.stat().st_size < 60e6


def test_samples_are_pictures_with_saturated_highlights():
    found = plan.plan([ROOT / "data"], ROOT / "out")
    assert found.faults == ()
    pictures = [job.source for job in found.jobs]
    assert len(pictures) >= 6
    alone = [path for path in pictures if "brackets" not in path.parts]
    shares = [float((hdrcnn.read(path).max(axis=-1) > 0.95).mean()) for path in alone]
    assert min(shares) > 0
    origins = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in pictures if path.name not in origins] == []


def test_the_sample_brackets_are_made_of_the_truth(tmp_path, run_python):
    run_python(ROOT / "data" / "make_brackets.py", f"--out_dir={tmp_path}", cwd=tmp_path)
    made = sorted(tmp_path.rglob("*.jpg"))
    kept = sorted((ROOT / "data" / "brackets").rglob("*.jpg"))
    folders = ROOT / "data" / "brackets"
    names = [path.relative_to(folders) for path in kept]
    assert [path.relative_to(tmp_path) for path in made] == names
    for new, old in zip(made, kept, strict=True):
        # Encoders and noise may differ in a code from one version of a library to the next.
        difference = np.subtract(hdrcnn.read(new), hdrcnn.read(old))
        assert np.abs(difference).mean() < 0.01


def test_computed_samples_have_their_truth():
    truths = sorted((ROOT / "data" / "truth").glob("*.exr"))
    assert len(truths) >= 2
    for truth in truths:
        (picture,) = (ROOT / "data").glob(f"{truth.stem}.png")
        assert read_exr(truth).shape == read_ldr(picture).shape
