"""A run that is killed or stopped in the middle of a folder, and the run after it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from hdrcnn.files import HOST
from hdrcnn.readers.hdr import read_exr
from tests.conftest import ONNX, ROOT

COUNT = 24
COMMAND = ROOT / "hdrcnn_predict.py"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def photos(tmp_path):
    """Pictures large enough that a run takes a while, in two folders."""
    rng = np.random.default_rng(4)
    for number in range(COUNT):
        folder = tmp_path / "in" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (300 + number, 400, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.bmp")
    return tmp_path


def interrupted(photos, arguments, by):
    """Start a run and signal it as soon as two results exist; return its status and stderr."""
    process = subprocess.Popen(
        [sys.executable, str(COMMAND), *arguments],
        cwd=photos,
        env={**os.environ, "PYTHONPATH": str(ROOT), **ONNX},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # In the background of a shell the tests ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and len(results(photos)) < 2:
        time.sleep(0.002)
    process.send_signal(by)
    _, stderr = process.communicate()
    return process.returncode, stderr


def results(photos):
    return sorted((photos / "out").rglob("*.exr") if (photos / "out").is_dir() else [])


def visible(photos):
    return [path for path in results(photos) if not path.name.startswith(".")]


@pytest.mark.parametrize("by", ["SIGKILL", "SIGINT"])
def test_nothing_is_lost_half_written_or_done_twice(photos, tiny_exported, run_python, by):
    arguments = ["--im_dir=in", f"--params={tiny_exported}", "--log=log.jsonl"]
    status, stderr = interrupted(photos, arguments, getattr(signal, by))
    if by == "SIGINT":
        assert status == 130
        assert stderr.startswith("stopped")
        assert stderr.count("\n") == 1
    else:
        assert status == -signal.SIGKILL
    there = visible(photos)
    assert 1 <= len(there) < COUNT
    heights = [read_exr(path).shape[0] for path in there]  # Whole: every row can be read.
    assert heights == [300 + int(path.stem) for path in there]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in there}
    # A temporary file of a process that no longer runs, in addition to any of this run.
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = photos / "out" / "0" / f".0.exr.{HOST}-{gone.pid}.tmp.exr"
    left.write_bytes(b"half")
    done = (photos / "log.jsonl").read_text().splitlines()

    run_python(COMMAND, *arguments, cwd=photos, **ONNX)
    assert len(visible(photos)) == COUNT
    assert visible(photos) == results(photos)
    assert [path for path in (photos / "out").rglob(".*") if path.is_file()] == []
    for path, state in before.items():
        assert (path.stat().st_mtime_ns, path.read_bytes()) == state
    second = (photos / "log.jsonl").read_text().splitlines()[len(done) :]
    kept = [line["output"] for line in map(json.loads, second) if line["status"] == "kept"]
    assert sorted(photos / path for path in kept) == there
    assert len(second) == COUNT
    # Of the results of the first run, at most the last one may lack its line in the log.
    assert len(there) - len(done) in (0, 1)
    for line in map(json.loads, done):
        assert photos / line["output"] in there
