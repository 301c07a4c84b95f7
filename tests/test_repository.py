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
FLAGS = {a.dest for a in parser_of(predict, "hdrcnn predict")._actions} - {
    "help",
    "help_all",
    "paths",
}


def test_ci_runs_the_line_of_the_readme():
    (line,) = (
        line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("python3")
    )
    assert f"`{line}`" in README
    assert line.endswith("-m pytest")


def test_every_flag_of_the_readme_exists():
    named = re.findall(r"`--(\w+)`", README)
    commands = (
        "training_code/hdrcnn_train", "training_code/run/config",
        "training_code/hdrcnn_evaluate",
    )  # fmt: skip
    source = "".join((ROOT / f"{name}.py").read_text() for name in commands)
    assert [flag for flag in named if flag not in FLAGS and f'"{flag}"' not in source] == []


def test_the_table_of_flags_is_that_of_the_command():
    guide = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    table = guide.partition("\n## Flags\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `--")]
    named = [flag for row in rows for flag in re.findall(r"`--(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(set(named))
    assert set(named) == FLAGS - {"im_dir", "out_dir"}


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def test_links_of_the_documents_lead_somewhere():
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in ROOT.glob("**/*.md")
        if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
    }
    anchors = {
        path: {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}
        for path, text in texts.items()
    }
    assert "how-good-is-it" in anchors[ROOT / "README.md"]
    for document, text in texts.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in link:
                continue
            name, _, place = link.partition("#")
            target = (document.parent / name).resolve() if name else document
            assert target.exists(), f"{document}: {link}"
            if place:
                assert place in anchors[target], f"{document}: {link}"


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
