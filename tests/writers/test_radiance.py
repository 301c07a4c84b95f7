"""Radiance: read back by OpenCV, and contents of the header."""

import cv2
import numpy as np

from hdrcnn.colour.primaries import REC709, REC2020
from hdrcnn.readers.hdr import read_radiance
from hdrcnn.writers import Options, Picture, notes
from hdrcnn.writers.radiance import write
from tests.writers.outputs import CAMERA, hdr_picture


def test_opencv_reads_the_light(tmp_path):
    picture = hdr_picture(camera=CAMERA, notes={"version": "1.2\nFORMAT=bad"})
    write(tmp_path / "a.hdr", picture, Options())
    found = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    light = picture.hdr.astype(np.float32)
    assert (np.abs(found - light) <= light.max(axis=-1, keepdims=True) / 255).all()
    np.testing.assert_array_equal(read_radiance(tmp_path / "a.hdr"), found)


def test_the_header_states_primaries_and_scale(tmp_path):
    picture = hdr_picture(camera=CAMERA, notes={"version": "1.2\nEXPOSURE=3", "x": "a\n\nb"})
    write(tmp_path / "a.hdr", picture, Options(nits=250.0))
    head = (tmp_path / "a.hdr").read_bytes().split(b"\n\n")[0].decode().splitlines()
    assert head[0] == "#?RADIANCE"
    assert "# 1.0 is 250 cd/m^2" in head
    assert notes.read(tmp_path / "a.hdr") == picture.notes
    assert "EXPOSURE=1" in head
    assert "Make=Maker" in head
    (primaries,) = (line.split("=")[1] for line in head if line.startswith("PRIMARIES"))
    np.testing.assert_allclose([float(word) for word in primaries.split()], REC709)


def test_other_primaries_are_stored_and_negative_values_become_0(tmp_path):
    hdr = np.tile(np.array([[[-0.5, 0.25, 0.25]]], np.float32), (2, 9, 1))
    write(tmp_path / "a.hdr", Picture(hdr, primaries=REC2020), Options())
    found = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(found, np.maximum(hdr, 0))
    assert b"PRIMARIES=0.708 0.292" in (tmp_path / "a.hdr").read_bytes()


def test_rows_of_all_strips_are_in_order(tmp_path):
    hdr = np.repeat(np.arange(1, 601, dtype=np.float32)[:, None, None], 90, axis=1).repeat(
        3, axis=2
    )
    write(tmp_path / "a.hdr", Picture(hdr), Options())
    found = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(found, hdr, rtol=1 / 255)
    assert (tmp_path / "a.hdr").stat().st_size < hdr.nbytes / 8  # The runs are coded.
