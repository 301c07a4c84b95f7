"""The comparison of decoders over folders of images: what it reports if they agree, differ, refuse
a file or crash.
"""

import os
import time

import numpy as np
import pytest

from benchmarks.decoders import Found, Processes, compare, differing, verdict
from tests.colour.icc_tables import scanner_profile
from tests.conftest import ROOT
from tests.readers.pictures import CODES, SMOOTH, by_pillow, by_tifffile, of_each_kind

LEFT_OUT = {"imagecodecs": ("cmyk.jpg",), "opencv": ("avif",)}
"""Kinds on which a decoder is not compared: imagecodecs leaves CMYK as it is, OpenCV does not
rotate AVIF.
"""
SCRIPT = ROOT / "benchmarks" / "decoders.py"


@pytest.mark.parametrize("name", ["pillow", "opencv", "imagecodecs"])
def test_valid_files_of_each_kind_agree(tmp_path, name):
    read = 0
    for kind, data in of_each_kind().items():
        if kind in LEFT_OUT.get(name, ()):
            continue
        (tmp_path / kind).write_bytes(data)
        refused, found = compare(name, tmp_path / kind, 3.0, 60.0)
        assert not refused
        assert not found.difference, kind
        read += not found.error
    assert read >= 8


def test_differences_and_their_size():
    plane = np.zeros((4, 5, 3), np.float32)
    other = plane.copy()
    other[0, 0, 0] = 10 / 255
    assert differing(plane, plane, 0.0) == ""
    assert differing(plane, other, 10.01) == ""
    assert "largest 10.0" in differing(plane, other, 3.0)
    assert "1.67%" in differing(plane, other, 3.0)
    assert "5x4 here, 4x5 there" in differing(plane, plane.swapaxes(0, 1), 3.0)


@pytest.mark.parametrize(
    ("refused", "others", "mark"),
    [
        ("", {"a": Found(), "b": Found()}, ""),
        ("", {"a": Found(difference="x"), "b": Found()}, "~"),
        ("", {"a": Found(difference="x"), "b": Found(error="y")}, "!"),
        ("", {"a": Found(error="x"), "b": Found(error="y")}, "+"),
        ("no", {"a": Found(error="x"), "b": Found(error="y")}, ""),
        ("no", {"a": Found(), "b": Found()}, "!"),
        ("no", {"a": Found(), "b": Found(error="y"), "c": Found(error="z")}, "~"),
    ],
)
def test_verdict_marks(refused, others, mark):
    assert verdict(refused, others)[0] == mark


def test_a_decoder_that_crashes_or_hangs_is_reported_and_the_run_continues():
    processes = Processes()
    try:
        assert processes.call(60, os._exit, 3)[1].error == "CRASHED"
        assert "more than 2 s" in processes.call(2, time.sleep, 600)[1].error
        assert processes.call(60, tuple, ("", Found())) == ("", Found())
    finally:
        processes.close()


def test_the_command_lists_differences(tmp_path, run_python):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(by_pillow("PNG", CODES))
    (tmp_path / "in" / "deep" / "b.tif").write_bytes(by_tifffile(SMOOTH, photometric="rgb"))
    (tmp_path / "in" / "note.txt").write_text("no picture")
    done = run_python(SCRIPT, "--im_dir=in", cwd=tmp_path)
    assert done.stdout.split() == ["agree", "2,", "refused", "by", "all", "1"]
    (tmp_path / "in" / "c.png").write_bytes(by_pillow("PNG", SMOOTH, icc_profile=scanner_profile()))
    done = run_python(SCRIPT, "--im_dir=in", "--decoder=pillow", cwd=tmp_path, status=1)
    first = done.stdout.splitlines()[0]
    assert first.startswith("! ")
    assert "c.png: pillow: mean" in first
