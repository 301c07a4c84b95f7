"""The segments of a JPEG and the colour profiles in them, compared with Pillow and LittleCMS."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from hdrcnn.colour.icc import matrix_profile, profile_chromaticities
from hdrcnn.colour.primaries import ADOBE_RGB, NAMED, PROPHOTO
from hdrcnn.readers.jpeg import XMP, markers
from hdrcnn.writers import jpeg_segments
from tests.writers.outputs import jpeg, photograph


@pytest.mark.parametrize("name", NAMED)
def test_profiles_are_those_of_their_primaries(name):
    data = matrix_profile(NAMED[name])
    assert profile_chromaticities(data) == NAMED[name]
    profile = ImageCms.getOpenProfile(io.BytesIO(data))  # LittleCMS reads it.
    assert (profile.profile.profile_description or "").startswith(name)


@pytest.mark.parametrize("space", [ADOBE_RGB, PROPHOTO])
def test_littlecms_maps_white_to_white_and_takes_the_curve_for_srgb(space):
    codes = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))[None]
    converted = ImageCms.profileToProfile(
        Image.fromarray(codes),
        ImageCms.ImageCmsProfile(io.BytesIO(matrix_profile(space))),
        ImageCms.createProfile("sRGB"),
    )
    assert np.abs(np.asarray(converted).astype(int) - codes).max() <= 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JPEG"),
        (bytes(100), "no JPEG"),
        (b"\xff\xd8", "no samples"),
        (b"\xff\xd8\xff\xd9", "no samples"),
        (b"\xff\xd8\xff\xc0\0\4ab", "no samples"),
        (b"\xff\xd8\0\0\0\0", "damaged"),
    ],
)
def test_damaged_files_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        jpeg_segments.frame_of(data)
    with pytest.raises(ValueError, match=message):
        jpeg_segments.samples_only(data)


def test_segments_have_a_maximum_length_and_long_profiles_are_split():
    with pytest.raises(ValueError, match="65534"):
        jpeg_segments.segment(0xE1, bytes(65534))
    profile = np.random.default_rng(0).bytes(150_000)
    data = jpeg(photograph())
    head, rest = jpeg_segments.samples_only(data)
    whole = jpeg_segments.START + head + jpeg_segments.profile_segments(profile) + rest
    assert Image.open(io.BytesIO(whole)).info["icc_profile"] == profile


SECRETS = {
    "comment": jpeg_segments.segment(0xFE, b"secret"),
    "XMP": jpeg_segments.segment(0xE1, XMP + b"<exif:GPSLatitude>secret"),
    "Exif": jpeg_segments.segment(0xE1, jpeg_segments.EXIF + b"secret"),
    "Photoshop": jpeg_segments.segment(0xED, b"Photoshop 3.0\0secret"),
    "reserved": jpeg_segments.segment(0xF4, b"secret"),
    "Adobe": jpeg_segments.segment(0xEE, b"Adobe\0\x64\0\0\0\0\1secret"),
    "filled": b"\xff" * 5 + jpeg_segments.segment(0xFE, b"secret"),
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 2}, {}])
def test_nothing_but_samples_and_tables_is_kept_before_or_between_the_scans(kind, options):
    """Nor after the end of the image; all samples stay unchanged."""
    data = jpeg(photograph(), **options)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    clean = b"".join(jpeg_segments.samples_only(data))
    places = [at for _, _, at in markers(data)]
    assert len(places) > (20 if options == {"progressive": True} else 5)
    for at in (*places, len(data)):
        kept = b"".join(jpeg_segments.samples_only(data[:at] + SECRETS[kind] + data[at:]))
        assert b"secret" not in kept
        if kind == "Adobe" and at < places[-1]:
            kept = kept.replace(SECRETS["Adobe"][4:16], b"")  # Its colour transform is needed.
            kept = kept.replace(b"\xff\xee\0\x0e", b"")
        assert kept == clean
    with Image.open(io.BytesIO(jpeg_segments.START + clean)) as image:
        np.testing.assert_array_equal(image, expected)
