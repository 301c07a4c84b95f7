"""Invalid photographs: one line each, never a crash, nothing on stderr."""

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_ldr, read_photograph
from hdrcnn.writers.exr import write_exr
from tests.readers.pictures import (
    CODES,
    DEEP,
    SMOOTH,
    by_pillow,
    by_tifffile,
    chunk,
    deep_png,
    of_each_kind,
    png,
    with_tags,
)

KINDS = of_each_kind()


def assert_refused(path, reason, remedy, **settings):
    """Check that reading fails with one line that names the file, the reason and the remedy."""
    with pytest.raises(ImageError) as caught:
        read_photograph(path, **settings)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert reason in message
    assert remedy in message


@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_extension_does_not_matter(tmp_path, name):
    for ending in (".png", ".jpg", ".tif", ".txt", ""):
        (tmp_path / f"a{ending}").write_bytes(KINDS[name])
        code = read_ldr(tmp_path / f"a{ending}")
        np.testing.assert_array_equal(code, read_ldr(tmp_path / "a.png"))


@pytest.mark.parametrize("name", KINDS)
def test_half_a_file_is_damaged(tmp_path, name):
    (tmp_path / "half").write_bytes(KINDS[name][: len(KINDS[name]) // 2])
    assert_refused(tmp_path / "half", "damaged", "copy")


def test_files_that_are_not_photographs_are_refused(tmp_path):
    for name, contents, reason in (
        ("empty.png", b"", "empty"),
        ("text.jpg", b"not a picture", "PNG"),
        ("one.jpg", b"\xff", "PNG"),
        ("psd.jpg", b"8BPS\0\1" + bytes(40), "Photoshop"),
        ("jxl.jpg", b"\xff\x0a" + bytes(40), "JPEG XL"),
        ("film.heic", struct.pack(">I", 24) + b"ftypisom" + bytes(4) + b"mp42avc1", "film"),
        ("cr3.jpg", struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom", "camera raw"),
        ("cr2.tif", b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "camera raw"),
    ):
        (tmp_path / name).write_bytes(contents)
        assert_refused(tmp_path / name, reason, "; ")


def test_paths_that_are_not_files_are_refused(tmp_path):
    assert_refused(tmp_path / "missing.png", "no such", "")
    (tmp_path / "folder.png").mkdir()
    assert_refused(tmp_path / "folder.png", "folder", "")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert_refused(tmp_path / "link.png", "link", "remove")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    assert_refused(tmp_path / "round.png", "read", "")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert_refused(tmp_path / "pipe.png", "file", "")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_read_permission_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(KINDS["png"])
    (tmp_path / "a.png").chmod(0)
    assert_refused(tmp_path / "a.png", "read", "")


def test_hdr_images_and_raw_files_are_named_as_such(tmp_path):
    write_exr(tmp_path / "a.exr", np.ones((4, 4, 3)))
    assert_refused(tmp_path / "a.exr", "HDR", "leave")
    for name, pixels, options, reason in (
        ("float", DEEP[..., :3].astype(np.float32), {}, "HDR"),
        ("long", DEEP[..., :3].astype(np.uint32), {}, "16 bits"),
        ("dng", CODES[..., :3], {"extratags": [(50706, "B", 4, b"\1\4\0\0", True)]}, "camera raw"),
    ):
        (tmp_path / name).write_bytes(by_tifffile(pixels, photometric="rgb", **options))
        assert_refused(tmp_path / name, reason, "; ")


def test_signed_samples_are_refused_by_their_type(tmp_path):
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, DEEP[..., :3].astype(np.int16), photometric="rgb")
    with pytest.raises(ImageError, match=r"p\.tif: .*int16"):
        read_ldr(path)


def test_a_camera_raw_file_is_recognised_by_its_thumbnail_in_the_first_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(CODES[..., :3], photometric="rgb", subfiletype=1, subifds=1)
        file.write(DEEP[..., 0], photometric="minisblack")
    assert_refused(tmp_path / "a.tif", "camera raw", "develop")


def test_an_image_without_pixels_is_refused(tmp_path):
    tiff = with_tags(by_tifffile(CODES[..., :3], photometric="rgb"), ImageWidth=0)
    (tmp_path / "a.tif").write_bytes(tiff)
    assert_refused(tmp_path / "a.tif", "0x11", "leave")
    (tmp_path / "a.png").write_bytes(png(0, 5, 8, 2, b""))
    assert_refused(tmp_path / "a.png", "damaged", "")


def test_rgb_of_two_samples_is_damaged(tmp_path):
    tiff = with_tags(by_tifffile(CODES[..., :3], photometric="rgb"), SamplesPerPixel=2)
    (tmp_path / "a.tif").write_bytes(tiff)
    assert_refused(tmp_path / "a.tif", "damaged", "copy")


@pytest.mark.parametrize("name", KINDS)
def test_too_many_megapixels_are_reported_and_can_be_allowed(tmp_path, name):
    (tmp_path / "a").write_bytes(KINDS[name])
    code = read_photograph(tmp_path / "a").code
    exactly = code.shape[0] * code.shape[1] / 1e6
    size = f"{exactly:.3g} megapixels"
    assert_refused(tmp_path / "a", size, "give --max_megapixels=1", max_megapixels=1e-4)
    np.testing.assert_array_equal(read_ldr(tmp_path / "a", max_megapixels=exactly), code)


def test_size_is_judged_before_anything_is_decoded(tmp_path):
    """20,000 x 20,000 in the header, without the pixels; Pillow's own limit stays unchanged."""
    limit = Image.MAX_IMAGE_PIXELS
    for kind, data in (
        ("a.png", png(20000, 20000, 16, 2, b"")),
        ("a.tif", by_tifffile(CODES[..., :3], photometric="rgb")),
        ("a.bmp", by_pillow("BMP", CODES[..., :3])),
    ):
        if kind == "a.tif":
            data = with_tags(data, ImageWidth=20000, ImageLength=20000)
        elif kind == "a.bmp":
            data = data[:18] + struct.pack("<ii", 20000, 20000) + data[26:]
        (tmp_path / kind).write_bytes(data)
        assert_refused(tmp_path / kind, "20000x20000", "=400")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_damaged_exif_and_profiles_do_not_prevent_reading(tmp_path):
    data = by_pillow("JPEG", SMOOTH, exif=b"Exif\0\0II*\0\xff\xff\xff\0", icc_profile=b"x" * 50)
    (tmp_path / "a.jpg").write_bytes(data)
    photograph = read_photograph(tmp_path / "a.jpg")
    assert photograph.code.shape == (48, 64, 3)
    assert photograph.camera == {}


def mutated(data, rng):
    """Flip some bits, half of them near the front, where sizes are; sometimes truncate first."""
    changed = bytearray(data if rng.random() < 0.7 else data[: rng.integers(1, len(data))])
    for _ in range(rng.integers(1, 8)):
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 200)
        changed[rng.integers(0, end)] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def checked_again(data):
    """Correct the checksums of a PNG, so that damage reaches later stages of decoding."""
    chunks, at = [data[:8]], 8
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        chunks.append(chunk(name, data[at + 8 : at + 8 + size]))
        at += size + 12
    return b"".join(chunks)


def test_a_thousand_mutated_files(tmp_path, capfd):
    """Each gives an image or one line. A crash would end the tests, a hang would never end."""
    rng = np.random.default_rng(7)
    outcomes = {name: [0, 0] for name in KINDS}
    for turn in range(1000):
        name = list(KINDS)[turn % len(KINDS)]
        data = mutated(KINDS[name], rng)
        path = tmp_path / f"{turn}.{name}"
        path.write_bytes(checked_again(data) if name.endswith("png") and turn % 2 else data)
        try:
            code = read_photograph(path, max_megapixels=1).code
        except ImageError as error:
            said = str(error)
            outcomes[name][0] += said.startswith(f"{path}: ") and "\n" not in said
        else:
            assert 0 <= code.min() <= code.max() <= 1
            outcomes[name][1] += 1
    assert sum(refused + read for refused, read in outcomes.values()) == 1000, outcomes
    assert all(refused for refused, _ in outcomes.values()), outcomes
    assert sum(read for _, read in outcomes.values()) > 100, outcomes
    site = Path(PIL.__file__).parent
    if sys.platform == "linux" and list(site.parent.glob("pillow.libs/libtiff*")):
        assert capfd.readouterr().err == ""


def test_deep_png_cut_inside_its_pixels_is_damaged(tmp_path):
    whole = deep_png(DEEP)
    (tmp_path / "a.png").write_bytes(whole[:-200])
    assert_refused(tmp_path / "a.png", "damaged", "copy")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_missing_strips_are_not_taken_for_black(tmp_path, compression):
    data = by_tifffile(
        DEEP[..., :3], photometric="rgb", rowsperstrip=2, compression=compression
    )  # fmt: skip
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        last = file.pages.first.dataoffsets[-1]
    (tmp_path / "a.tif").write_bytes(data[:last])
    assert_refused(tmp_path / "a.tif", "damaged", "copy")
