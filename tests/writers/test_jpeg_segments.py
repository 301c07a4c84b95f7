"""The segments of a JPEG and the colour profiles in them, against Pillow and LittleCMS."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from hdrcnn.colour.icc import profile_chromaticities
from hdrcnn.colour.icc_profile import matrix_profile
from hdrcnn.colour.primaries import ADOBE_RGB, NAMED, PROPHOTO
from hdrcnn.writers import jpeg_segments as jpeg_parts
from tests.writers.outputs import jpeg, photograph


@pytest.mark.parametrize("name", NAMED)
def test_profiles_are_those_of_their_primaries(name):
    data = matrix_profile(NAMED[name])
    assert profile_chromaticities(data) == NAMED[name]
    profile = ImageCms.getOpenProfile(io.BytesIO(data))  # LittleCMS reads it.
    assert (profile.profile.profile_description or "").startswith(name)


@pytest.mark.parametrize("space", [ADOBE_RGB, PROPHOTO])
def test_littlecms_takes_white_to_white_and_the_curve_for_srgb(space):
    codes = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))[None]
    converted = ImageCms.profileToProfile(
        Image.fromarray(codes),
        ImageCms.ImageCmsProfile(io.BytesIO(matrix_profile(space))),
        ImageCms.createProfile("sRGB"),
    )
    assert np.abs(np.asarray(converted).astype(int) - codes).max() <= 1


BAD = [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xc0\0\4ab", b"\xff\xd8\0\0\0\0"]


@pytest.mark.parametrize("data", BAD)
def test_damaged_files_are_no_jpeg(data):
    with pytest.raises(ValueError, match=r"."):
        jpeg_parts.frame_of(data)
    with pytest.raises(ValueError, match=r"."):
        jpeg_parts.samples_only(data)


def test_a_segment_holds_so_much_and_profiles_go_on_in_the_next():
    with pytest.raises(ValueError, match="65534 bytes do not fit"):
        jpeg_parts.segment(0xE1, bytes(65534))
    profile = np.random.default_rng(0).bytes(150_000)
    data = jpeg(photograph())
    head, rest = jpeg_parts.samples_only(data)
    whole = jpeg_parts.START + head + jpeg_parts.profile_segments(profile) + rest
    assert Image.open(io.BytesIO(whole)).info["icc_profile"] == profile
