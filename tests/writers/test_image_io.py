"""Writing EXR and PNG: exact round trips, errors in one line."""

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import hdrcnn
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_ldr
from hdrcnn.writers.display import write_png
from hdrcnn.writers.exr import HALF_MAX, write_exr

RGB = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
        elements=st.floats(0, 65504, width=16),
    )
)  # fmt: skip
def test_exr_round_trip_is_exact_for_half_floats(tmp_path_factory, hdr):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write_exr(path, hdr)
    np.testing.assert_array_equal(read_exr(path), hdr)


def test_exr_is_half_float_zip_and_clipped_at_the_maximum(tmp_path):
    write_exr(tmp_path / "a.exr", np.full((2, 2, 3), 1e9, np.float32))
    with OpenEXR.File(str(tmp_path / "a.exr")) as file:
        assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION
        pixels = np.array(file.channels()["RGB"].pixels)
    assert pixels.dtype == np.float16
    np.testing.assert_array_equal(pixels, np.float16(HALF_MAX))


def test_a_missing_folder_is_named_and_not_the_temporary_file(tmp_path):
    with pytest.raises(ImageError, match="no folder") as error:
        write_exr(tmp_path / "nowhere" / "a.exr", np.ones((2, 2, 3)))
    assert "tmp.exr" not in str(error.value)


def test_an_unwritable_path_of_codes_gives_one_line(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*nowhere[^\n]*$"):
        write_png(tmp_path / "nowhere" / "a.png", RGB)


@pytest.mark.parametrize("name", ["x", "x.", "exr"])
def test_a_name_without_an_extension_is_refused(tmp_path, name):
    with pytest.raises(ImageError, match="end the name in"):
        hdrcnn.write(tmp_path / name, np.ones((2, 2, 3), np.float32))
    assert not list(tmp_path.iterdir())


def test_png_holds_the_codes(tmp_path):
    write_png(tmp_path / "a.png", RGB)
    np.testing.assert_array_equal(np.round(read_ldr(tmp_path / "a.png") * 255), RGB)
