"""The log: a complete line of JSON for every photograph, whatever happened before."""

import json
import math
import os
from pathlib import Path

import pytest

from hdrcnn.batch.job import Outcome, Settings
from hdrcnn.batch.plan import Job
from hdrcnn.cli.pictures import Journal, fault, record
from hdrcnn.files import ImageError

JOB = Job(Path("in/a.jpg"), Path("out/a"))


def test_the_log_has_a_line_for_every_photograph(tmp_path):
    journal = Journal(tmp_path / "new" / "log.jsonl")
    done = Outcome(JOB, weights="w.npz", width=3, height=2, saturated=0.5, peak_before=1.0,
                   peak_after=8.0, seconds=1.23456)  # fmt: skip
    journal.add(record(done, Settings(formats=("exr", "hdr"))))
    journal.add(record(Outcome(JOB, error="in/a.jpg: damaged", seconds=0.5), Settings()))
    journal.add(fault("nowhere: no such file or folder"))
    lines = (tmp_path / "new" / "log.jsonl").read_text().splitlines()
    first, second, third = map(json.loads, lines)
    assert first == {
        "source": str(Path("in/a.jpg")), "output": str(Path("out/a.exr")), "status": "done",
        "files": {"exr": str(Path("out/a.exr")), "hdr": str(Path("out/a.hdr"))},
        "reason": None, "weights": "w.npz", "seconds": 1.235,
        "figures": {"width": 3, "height": 2, "saturated": 0.5, "peak_before": 1.0,
                    "peak_after": 8.0, "clipping_levels": [1.0, 1.0, 1.0],
                    "stops_gained": 3.0},
    }  # fmt: skip
    assert (second["status"], second["reason"]) == ("failed", "in/a.jpg: damaged")
    assert second["figures"] is None
    assert third["reason"] == "nowhere: no such file or folder"
    assert first.keys() == second.keys() == third.keys()


@pytest.mark.parametrize(
    ("peak", "said"), [(8.0, "+3.0"), (0.5, "-1.0"), (0.9999, "+0.0"), (0.0, "+0.0")]
)
def test_stops_are_shown_with_their_sign(peak, said):
    line = Outcome(JOB, peak_before=1.0, peak_after=peak).line(".exr")
    assert f"({said} stops)" in line


def test_lines_are_added_after_those_of_a_killed_run(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"source": "cut o')
    Journal(path).add({"b": 2})
    Journal(path).add({"c": math.pi})
    lines = path.read_text().splitlines()
    assert lines[:2] == ['{"a": 1}', '{"source": "cut o']
    assert [json.loads(line) for line in lines[2:]] == [{"b": 2}, {"c": math.pi}]


def test_names_that_are_not_valid_text_are_logged_too(tmp_path):
    odd = "a\udcff\n\u2028é.jpg"
    Journal(tmp_path / "log").add({"source": odd})
    (line,) = (tmp_path / "log").read_bytes().decode("ascii").splitlines()
    assert json.loads(line)["source"] == odd


def test_a_photograph_is_never_used_as_log(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    (tmp_path / "link").symlink_to(tmp_path / "a.jpg")
    for name in ("a.jpg", "link"):
        with pytest.raises(ImageError, match=f"{name}: .*--log"):
            Journal(tmp_path / name, [tmp_path / "a.jpg"])
    assert (tmp_path / "a.jpg").read_bytes() == b"picture"


@pytest.mark.parametrize("content", [b"PK\3\4 weights", b"Dear diary\n", b" {}\n"])
def test_another_file_is_never_used_as_log(tmp_path, content):
    path = tmp_path / "hdrcnn.npz"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"hdrcnn\.npz: .*log"):
        Journal(path)
    assert path.read_bytes() == content


def test_a_log_does_not_recreate_a_vanished_folder(tmp_path):
    for name in ("out/log", "log"):
        journal = Journal(tmp_path / name)
        (tmp_path / name).unlink()
        journal.add_last({"a": 1}, tmp_path / "out")
        assert (tmp_path / name).exists() is (name == "log")


def test_an_unwritable_place_is_reported_at_once(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*written[^\n]*$"):
        Journal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_log_may_be_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    journal = Journal(tmp_path / "pipe")
    for number in (1, 2):
        journal.add({"number": number})
    lines = os.read(reader, 1000).splitlines()
    os.close(reader)
    assert [json.loads(line)["number"] for line in lines] == [1, 2]
