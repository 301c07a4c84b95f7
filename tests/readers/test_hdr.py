"""Reading HDR images: what OpenEXR and TIFF files may contain, compared with files written byte by
byte, OpenCV and Pillow; errors in one line.
"""

import struct
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image, ImageOps

from hdrcnn.colour.primaries import REC709, XYZ, luminance_weights
from hdrcnn.files import ImageError
from hdrcnn.readers import hdr
from hdrcnn.readers.hdr import read_exr, read_hdr
from hdrcnn.writers.exr import write_exr
from tests.colour.test_primaries import ACES, REC2020, expected_matrix
from tests.readers.exr_files import RGB, SCANLINES, TILES, planes, raw_exr, write
from tests.readers.pictures import with_tags


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
@pytest.mark.parametrize("header", [SCANLINES, TILES])
@pytest.mark.parametrize("apart", [True, False])
def test_pixel_types_scanlines_and_tiles(tmp_path, dtype, header, apart):
    stored = RGB.astype(dtype)
    path = write(tmp_path / "a.exr", planes(image=stored) if apart else {"RGB": stored}, **header)
    found = read_hdr(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, stored)


def test_channels_of_different_types(tmp_path):
    half = RGB[..., 1].astype(np.float16)
    found = read_exr(write(tmp_path / "a.exr", planes() | {"G": half}))
    np.testing.assert_array_equal(found, np.dstack([RGB[..., 0], half, RGB[..., 2]]))


def test_alpha_is_neither_returned_nor_divided_by(tmp_path):
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 0.25, np.float32)])
    np.testing.assert_array_equal(read_exr(write(tmp_path / "a.exr", {"RGBA": rgba})), RGB)


def test_luminance_alone_is_grey_in_any_space(tmp_path):
    path = write(tmp_path / "a.exr", {"Y": RGB[..., 0].copy()}, chromaticities=ACES)
    np.testing.assert_array_equal(read_exr(path), np.repeat(RGB[..., :1], 3, axis=-1))


def test_pixels_are_those_of_the_data_window(tmp_path):
    channels = {name: (plane, 1) for name, plane in planes().items()}
    (tmp_path / "a.exr").write_bytes(raw_exr(channels, corner=(-7, 31)))
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr"), RGB)


@pytest.mark.parametrize("chromaticities", [REC709, REC2020, ACES])
def test_other_primaries_are_converted_to_rec709(tmp_path, chromaticities):
    found = read_exr(write(tmp_path / "a.exr", planes(), chromaticities=chromaticities))
    expected = RGB.astype(np.float64) @ expected_matrix(chromaticities).T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    if chromaticities == REC709:
        np.testing.assert_array_equal(found, RGB)


@pytest.mark.parametrize("xy", [(0.3127, 0.3290), (1 / 3, 1 / 3), (0.64, 0.33)])
def test_files_of_xyz_hold_x_y_and_z(tmp_path, xy):
    """Compared with colour-science. There is no adaptation from equal energy to D65: the
    chromaticity of D65 becomes white, that of Rec. 709 red becomes red.
    """
    colour = pytest.importorskip("colour")
    xyz = np.broadcast_to(colour.xy_to_XYZ(np.array(xy)) * 5, (24, 36, 3)).astype(np.float32)
    space = colour.RGB_COLOURSPACES["sRGB"]
    expected = (
        xyz[0, 0]
        @ np.linalg.inv(colour.normalised_primary_matrix(space.primaries, space.whitepoint)).T
    )
    found = read_exr(write(tmp_path / "a.exr", planes(image=xyz), chromaticities=XYZ))
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-3, atol=1e-3)
    if xy == (0.3127, 0.3290):
        np.testing.assert_allclose(found, 5, rtol=1e-3)


@pytest.mark.parametrize("chromaticities", [None, REC2020])
@pytest.mark.parametrize("step", [1, 2])
def test_luminance_and_chroma(tmp_path, step, chromaticities):
    """Chroma that is linear over the image comes back exactly from every second sample."""
    row, column = np.mgrid[0:24, 0:36] / 40.0
    ry, by = 0.3 * row - 0.5 * column + 0.2, 0.4 * column - 0.2 * row
    light = RGB[..., 0]
    channels = {"Y": (light, 1), "RY": (ry[::step, ::step], step), "BY": (by[::step, ::step], step)}
    extra = {"chromaticities": chromaticities} if chromaticities else {}
    (tmp_path / "a.exr").write_bytes(raw_exr(channels, corner=(4, -2), **extra))
    found = read_exr(tmp_path / "a.exr")

    weights = luminance_weights(chromaticities or REC709)
    red, blue = light * (1 + ry), light * (1 + by)
    green = (light - weights[0] * red - weights[2] * blue) / weights[1]
    expected = np.stack([red, green, blue], axis=-1) @ expected_matrix(chromaticities or REC709).T
    assert found.shape == expected.shape
    inner = np.s_[:-1, :-1] if step == 2 else np.s_[:]  # There is no sample beyond the last.
    np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4, atol=0.01)
    edges = np.abs(found - expected).max(axis=-1) / light
    assert edges.max() < 0.05


def test_an_openexr_that_misreads_subsampled_channels_is_named():
    channel = SimpleNamespace(pixels=np.ones((24, 36), np.float32), xSampling=2, ySampling=2)
    with pytest.raises(ImageError, match=r"a\.exr: .* -U openexr"):
        hdr._plane(channel, 24, 36, Path("a.exr"))


def test_the_first_part_with_an_image(tmp_path):
    shared = SCANLINES | {"chromaticities": REC2020}
    depth = OpenEXR.Part(shared | {"name": "depth"}, {"Z": RGB[..., 0].copy()})
    image = OpenEXR.Part(shared | {"name": "image"}, planes())
    other = OpenEXR.Part(shared | {"name": "other"}, {"RGB": RGB * 2})
    with OpenEXR.File([depth, image, other]) as file:
        file.write(str(tmp_path / "a.exr"))
    found = read_exr(tmp_path / "a.exr")
    np.testing.assert_allclose(found, RGB @ expected_matrix(REC2020).T, rtol=1e-4, atol=1e-2)


def test_layers_where_there_is_no_plain_image(tmp_path):
    others = planes("View.AO.", RGB * 3) | {"View.Depth.Z": RGB[..., 0].copy()}
    channels = others | planes("View.Combined.")
    np.testing.assert_array_equal(read_exr(write(tmp_path / "a.exr", channels)), RGB)
    np.testing.assert_array_equal(read_exr(write(tmp_path / "b.exr", others)), RGB * 3)
    channels = others | planes()
    np.testing.assert_array_equal(read_exr(write(tmp_path / "c.exr", channels)), RGB)


def test_radiance_against_opencv(tmp_path):
    cv2.imwrite(str(tmp_path / "a.hdr"), RGB[..., ::-1])
    (tmp_path / "a.pic").write_bytes((tmp_path / "a.hdr").read_bytes())
    expected = cv2.imread(str(tmp_path / "a.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    for name in ("a.hdr", "a.pic"):
        np.testing.assert_array_equal(read_hdr(tmp_path / name), expected)


def test_radiance_beyond_the_memory_is_reported(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.hdr"), RGB)

    def decode(data):
        raise MemoryError

    monkeypatch.setattr(hdr.rgbe, "decode", decode)
    with pytest.raises(ImageError, match=r"^[^\n]*a\.hdr: [^\n]*large[^\n]*$"):
        read_hdr(tmp_path / "a.hdr")


def claims(folder: Path, rows: int, columns: int) -> list[Path]:
    """Files of every kind whose headers claim this many pixels, most of which are missing."""
    channels = {name: (np.zeros((2, 9), np.float32), 1) for name in "RGB"}
    exr = raw_exr(channels).replace(
        struct.pack("<4i", 0, 0, 8, 1), struct.pack("<4i", 0, 0, columns - 1, rows - 1)
    )
    (folder / "a.exr").write_bytes(exr)
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {rows} +X {columns}\n".encode()
    # Old run lengths validly encode that many pixels in a few bytes.
    (folder / "a.hdr").write_bytes(head + bytes([8, 8, 8, 128] + [1, 1, 1, 255] * 4))
    tifffile.imwrite(folder / "a.tif", np.zeros((2, 9), np.float32))
    tiff = (folder / "a.tif").read_bytes()
    for tag, old, new in ((256, 9, columns), (257, 2, rows)):
        kind = next(k for k in (3, 4) if struct.pack("<HHII", tag, k, 1, old) in tiff)
        entry = struct.pack("<HHII", tag, kind, 1, old)
        tiff = tiff.replace(entry, struct.pack("<HHII", tag, 4, 1, new))
    (folder / "a.tif").write_bytes(tiff)
    return [folder / name for name in ("a.exr", "a.hdr", "a.tif")]


@pytest.mark.parametrize(
    ("rows", "columns", "reason"), [(6000, 10000, "believed"), (40000, 40000, "megapixels")]
)
def test_small_files_that_claim_many_pixels_are_refused_by_their_header(
    tmp_path, rows, columns, reason
):
    resource = pytest.importorskip("resource")  # Not on Windows.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in claims(tmp_path, rows, columns):
        size = hdr.size_of(path)
        assert size is not None
        assert (size.rows, size.columns) == (rows, columns)
        with pytest.raises(ImageError, match=rf"^[^\n]*{path.name}: [^\n]*{reason}[^\n]*$"):
            read_hdr(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_of_many_channels_counts_them_all(tmp_path):
    many = {f"L{index}.{name}": np.zeros((900, 1000), np.float16) for index in range(30)
            for name in "RGB"}  # fmt: skip
    path = write(tmp_path / "a.exr", many)
    size = hdr.size_of(path)
    assert size is not None
    assert size.samples == 90 * 900_000
    with pytest.raises(ImageError, match=r"a\.exr: 1000x900"):
        read_hdr(path)


def test_the_size_of_an_unreadable_file_is_none(tmp_path):
    (tmp_path / "a.exr").write_bytes(b"\x76\x2f\x31\x01 damaged")
    for name in ("a.exr", "missing.exr"):
        assert hdr.size_of(tmp_path / name) is None


@pytest.mark.parametrize("kind", ["NONE", "LZW"])
def test_float_tiff_of_opencv(tmp_path, kind):
    option = [cv2.IMWRITE_TIFF_COMPRESSION, getattr(cv2, f"IMWRITE_TIFF_COMPRESSION_{kind}")]
    cv2.imwrite(str(tmp_path / "a.tif"), RGB[..., ::-1], option)
    np.testing.assert_array_equal(read_hdr(tmp_path / "a.tif"), RGB)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "lzma", "packbits"])
@pytest.mark.parametrize("predictor", [False, True])
def test_compressed_float_tiff(tmp_path, compression, predictor):
    options = {"photometric": "rgb", "compression": compression, "predictor": predictor}
    tifffile.imwrite(tmp_path / "a.tif", RGB, **options)
    np.testing.assert_array_equal(read_hdr(tmp_path / "a.tif"), RGB)


def test_a_strip_of_a_float_tiff_inflates_to_its_pixels_and_no_more(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", compression="zlib")
    whole, long = path.read_bytes(), zlib.compress(RGB.tobytes() + bytes(1 << 24), 9)
    path.write_bytes(with_tags(whole, StripOffsets=len(whole), StripByteCounts=len(long)) + long)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"a\.tif: .*TIFF"):
            read_hdr(tmp_path / "a.tif")
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (RGB.astype(np.float16), {}),
        (RGB.astype(np.float64), {"byteorder": ">"}),
        (RGB, {"bigtiff": True}),
        (RGB, {"compression": "zlib"}),
        (RGB, {"tile": (16, 16)}),
        (RGB.transpose(2, 0, 1), {"planarconfig": "separate"}),
        (np.dstack([RGB, RGB[..., 0] / 9]), {"extrasamples": ["assocalpha"]}),
    ],
)
def test_layouts_of_tiff(tmp_path, image, options):
    stored = np.ascontiguousarray(image)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    found = read_hdr(tmp_path / "a.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, RGB.astype(stored.dtype).astype(np.float32))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_tiff_against_pillow(tmp_path, orientation):
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.tif", tiffinfo={274: orientation})
    with Image.open(tmp_path / "a.tif") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    found = read_hdr(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, axis=-1))


def test_errors_give_one_line_with_the_name(tmp_path):
    write_exr(tmp_path / "whole.exr", RGB)
    whole = (tmp_path / "whole.exr").read_bytes()
    (tmp_path / "cut.exr").write_bytes(whole[:-99])
    (tmp_path / "head.exr").write_bytes(whole[:60])
    write(tmp_path / "depth.exr", {"Z": RGB[..., 0].copy()})
    write(tmp_path / "line.exr", planes(), chromaticities=(0.3,) * 8)
    cv2.imwrite(str(tmp_path / "a.hdr"), RGB)
    (tmp_path / "cut.hdr").write_bytes((tmp_path / "a.hdr").read_bytes()[:-9])
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-9])
    (tmp_path / "head.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:20])
    tifffile.imwrite(tmp_path / "codes.tif", RGB.astype(np.uint16), photometric="rgb")
    (tmp_path / "empty.exr").write_bytes(b"")
    (tmp_path / "text.pic").write_text("not an image")
    (tmp_path / "folder.exr").mkdir()
    for name, reason in (
        ("cut.exr", ".*copy"),
        ("head.exr", ".*OpenEXR"),
        ("depth.exr", ".*found: Z"),
        ("line.exr", "chromaticities"),
        ("cut.hdr", ".*truncated"),
        ("cut.tif", ".*TIFF"),
        ("head.tif", ".*TIFF"),
        ("codes.tif", "uint16"),
        ("empty.exr", ".*OpenEXR"),
        ("text.pic", ".*OpenEXR"),
        ("folder.exr", ""),
        ("missing.exr", ""),
    ):
        with pytest.raises(ImageError) as caught:
            read_hdr(tmp_path / name)
        caught.match(rf"^[^\n]*{name}: {reason}[^\n]*$")
