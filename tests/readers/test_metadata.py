"""Which part of a sphere a panorama shows: from its XMP data to those of its results."""

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, strategies as st
from PIL import Image

import hdrcnn
from hdrcnn.batch import plan
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert_all
from hdrcnn.readers.metadata import Band, band, camera_data, parse_exif
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers.metadata import exif_block, panorama_xmp


@given(st.integers(1, 4000), st.integers(0, 4000), st.integers(0, 4000))
def test_written_bands_are_read_back(rows, above, below):
    full = rows + above + below
    told = Band(above / full, rows / full)
    attributes = told.xmp(rows, 64)
    assert attributes["GPano:FullPanoHeightPixels"] == str(full)
    assert attributes["GPano:CroppedAreaTopPixels"] == str(above)
    found = band(panorama_xmp(attributes).encode(), rows, 64)
    assert found is not None
    assert (found.first, found.share) == pytest.approx((told.first, told.share))


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize("elements", [False, True])
def test_names_are_read_in_any_case(change, elements):
    """As attributes and as elements, for a whole sphere, a band, and a part of less than 360
    degrees.
    """
    for told in (Band(), Band(0.25, 0.5), None):
        attributes = (told or Band()).xmp(32, 64)
        if told is None:
            attributes["GPano:FullPanoWidthPixels"] = "128"
        pairs = [(change(name), value) for name, value in attributes.items()]
        said = " ".join(f'{name}="{value}"' for name, value in pairs)
        if elements:
            said = "".join(f'<{name} rdf:x="1">{value}</{name}>' for name, value in pairs)
        assert band(said.encode(), 32, 64) == told


def test_viewing_directions_are_kept():
    said = {
        "PoseHeadingDegrees": 268.589996,
        "PosePitchDegrees": -3.0,
        "InitialViewHeadingDegrees": 90.0,
    }
    attributes = Band(0.25, 0.5).xmp(32, 64) | {f"GPano:{k}": str(v) for k, v in said.items()}
    attributes["GPano:PoseHeadingDegrees"] = "+2.68589996e2"
    attributes["GPano:PoseRollDegrees"] = "1e9"
    found = band(panorama_xmp(attributes).encode(), 32, 64)
    assert found is not None
    assert dict(found.directions) == said
    smaller = found.fitted(32, 64, 16, 32)
    assert smaller is not None
    again = band(panorama_xmp(smaller.xmp(16, 32)).encode(), 16, 32)
    assert again is not None
    assert dict(again.directions) == said


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_that_are_not_ascii_are_kept(encoding):
    """As cameras write them; what is written is UTF-8."""
    name = "Voigtländer"
    block = exif_block({"Make": "x" * 12, "LensMake": "y" * 12, "Model": "z"})
    for blank in (b"x" * 12, b"y" * 12):
        block = block.replace(blank, name.encode(encoding).ljust(12, b"\0"))
    found = camera_data(parse_exif(block))
    assert found == {"Make": name, "LensMake": name, "Model": "z"}
    written = exif_block(found)
    assert written.count(name.encode("utf-8") + b"\0") == 2
    assert camera_data(parse_exif(written)) == found


def test_an_unknown_date_is_none():
    for date in ("    :  :     :  :  ", "2024:05:06 07:08:09"):
        found = camera_data(parse_exif(exif_block({"Model": "z", "DateTimeOriginal": date})))
        assert found.get("DateTimeOriginal") == (date if date[0] == "2" else None)


@given(st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_a_part_of_a_part_lies_inside(first, share, inner_first, inner_share):
    outer = Band(first * (1 - share), share)
    inner = outer.part(inner_first * (1 - inner_share), inner_share)
    assert inner.first >= outer.first - 1e-9
    assert inner.first + inner.share <= outer.first + outer.share + 1e-9


def converted(folder, weights, pixels, xmp=b"", **settings):
    """Panorama data of the Ultra HDR result, and whether the EXR result is an environment map."""
    options = {"xmp": xmp} if xmp else {}
    Image.fromarray(pixels).save(folder / "p.jpg", quality=95, **options)
    wanted = Settings(formats=("exr", "ultrahdr"), overwrite=True, **settings)
    jobs = plan.plan([folder / "p.jpg"], folder / "out", wanted.endings).jobs
    (outcome,) = convert_all(jobs, Networks(hdrcnn.load, weights), wanted)
    assert outcome.error is None
    with OpenEXR.File(str(folder / "out" / "p.exr"), header_only=True) as file:
        is_environment = "envmap" in file.header()
    return read_photograph(folder / "out" / "p_hdr.jpg").panorama, is_environment


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (64, 128, 3), np.uint8)


def test_only_a_whole_sphere_is_an_environment(tmp_path, tiny_weights, pixels):
    told = Band(20 / 64, 32 / 64)
    xmp = panorama_xmp(told.xmp(32, 128)).encode()
    assert converted(tmp_path, tiny_weights, pixels[:32], xmp) == (told, False)
    # If its height is not stated, it is centred on the horizon.
    assert converted(tmp_path, tiny_weights, pixels[:32], panorama=True) == (Band(0.25, 0.5), False)
    assert converted(tmp_path, tiny_weights, pixels, panorama=True) == (Band(), True)
    assert converted(tmp_path, tiny_weights, pixels) == (None, False)


def test_a_panorama_in_another_size(tmp_path, tiny_weights, pixels):
    """Rows may be cropped; if columns are cropped, the sides no longer meet."""
    smaller = converted(tmp_path, tiny_weights, pixels, panorama=True, width=64)
    assert smaller == (Band(), True)
    flatter = converted(tmp_path, tiny_weights, pixels, panorama=True, width=128, height=32)
    assert flatter == (Band(0.25, 0.5), False)
    square = converted(tmp_path, tiny_weights, pixels, panorama=True, width=64, height=64)
    assert square == (None, False)
