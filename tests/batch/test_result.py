"""Contents of a result: primaries, alpha, mask, peak, camera data."""

import io
import tracemalloc

import colour
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import hdrcnn
from hdrcnn.batch import plan
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import SequenceStates, Settings
from hdrcnn.batch.result import cap
from hdrcnn.batch.run import convert
from hdrcnn.colour.primaries import DISPLAY_P3, REC709
from hdrcnn.colour.transfer import inverse_camera_curve
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import to_integer_codes
from tests.readers.pictures import profile


@pytest.fixture(scope="module")
def networks(tiny_weights):
    return Networks(hdrcnn.load, tiny_weights)


def result_of(path, networks, **settings):
    """Convert a file; return the header, the channels by name as float32, and the outcome."""
    wanted = Settings(**settings)
    (job,) = plan.plan([path], path.parent / "out", wanted.endings).jobs
    outcome = convert(job, networks, wanted)
    assert outcome.error is None
    with OpenEXR.File(str(job.output(".exr")), separate_channels=True) as file:
        pixels = {name: np.array(item.pixels) for name, item in file.channels().items()}
        assert {plane.dtype for plane in pixels.values()} == {np.dtype(np.float16)}
        header = dict(file.header())
    return header, {name: plane.astype(np.float32) for name, plane in pixels.items()}, outcome


def image(channels):
    return np.stack([channels[name] for name in "RGB"], axis=-1)


@pytest.fixture
def wide(tmp_path, picture):
    """A Display P3 photograph with a pure, unsaturated P3 green in its corner."""
    picture[:6, :6] = 0, 230, 0
    Image.fromarray(picture).save(tmp_path / "wide.png", icc_profile=profile(DISPLAY_P3))
    return tmp_path / "wide.png"


def test_primaries_are_converted_to_rec709_and_negative_values_kept(wide, networks, picture):
    header, channels, _ = result_of(wide, networks)
    np.testing.assert_allclose(header["chromaticities"], REC709, atol=1e-6)
    kept = picture.max(axis=-1) <= 240
    linear = inverse_camera_curve(picture[kept] / 255.0)
    expected = colour.RGB_to_RGB(
        linear, "Display P3", "ITU-R BT.709", chromatic_adaptation_transform=None
    )
    np.testing.assert_allclose(image(channels)[kept], expected, atol=2e-3)
    assert image(channels)[0, 0].min() < -0.02


def test_primaries_can_be_kept(wide, networks, picture):
    header, channels, outcome = result_of(wide, networks, primaries=True)
    np.testing.assert_allclose(header["chromaticities"], DISPLAY_P3, atol=1e-6)
    kept = picture.max(axis=-1) <= 240
    linear = inverse_camera_curve(picture[kept] / np.float32(255))
    np.testing.assert_allclose(image(channels)[kept], linear, rtol=2**-11, atol=2**-25)
    # A reader that applies the chromaticities gets the same colours from both files.
    seen = read_exr(wide.parent / "out" / "wide.exr")
    _, converted, other = result_of(wide, networks, overwrite=True)
    np.testing.assert_allclose(seen, image(converted), rtol=2e-3, atol=2e-3)
    assert outcome.peak_after == pytest.approx(other.peak_after, rel=2e-3)


def test_the_library_gives_the_colours_of_the_command(wide, networks, tiny_weights, tmp_path):
    _, channels, _ = result_of(wide, networks)
    photo = hdrcnn.read_photograph(wide)
    hdr = hdrcnn.load(tiny_weights).reconstruct(photo.code)
    hdrcnn.write(tmp_path / "own.exr", hdr, photo.chromaticities)
    np.testing.assert_allclose(
        read_exr(tmp_path / "own.exr"), image(channels), rtol=2e-3, atol=1e-4
    )


def test_previews_have_the_same_colours_with_either_primaries(wide, networks):
    result_of(wide, networks, previews=True)
    views = [np.asarray(Image.open(wide.parent / "out" / f"wide_{n}.png")) for n in ("in", "out")]
    result_of(wide, networks, previews=True, primaries=True)
    for name, before in zip(("in", "out"), views, strict=True):
        after = np.asarray(Image.open(wide.parent / "out" / f"wide_{name}.png"))
        np.testing.assert_allclose(after.astype(int), before, atol=1)


def test_alpha_is_a_channel_and_multiplies_the_light(tmp_path, networks, picture):
    """By OpenEXR's convention: the result of an opaque copy, multiplied by alpha."""
    alpha = np.random.default_rng(3).integers(0, 256, picture.shape[:2], np.uint8)
    Image.fromarray(picture).save(tmp_path / "solid.png")
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "clear.png")
    _, solid, _ = result_of(tmp_path / "solid.png", networks)
    header, clear, _ = result_of(tmp_path / "clear.png", networks)
    assert "A" not in solid
    assert "hdrcnn:alpha" not in header
    np.testing.assert_allclose(clear["A"], alpha / 255, atol=2**-12)
    expected = image(solid) * clear["A"][..., None]
    np.testing.assert_allclose(image(clear), expected, rtol=2**-11, atol=2**-25)
    _, small, _ = result_of(tmp_path / "clear.png", networks, width=35, height=20)
    assert small["A"].shape == (20, 35)


def test_the_report_divides_light_by_alpha_also_for_kept_results(tmp_path, networks, picture):
    alpha = np.random.default_rng(3).integers(64, 256, picture.shape[:2], np.uint8)
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "p.png")
    *_, fresh = result_of(tmp_path / "p.png", networks, report_bytes=200_000)
    *_, kept = result_of(tmp_path / "p.png", networks, report_bytes=200_000)
    assert (fresh.kept, kept.kept) == (False, True)
    assert kept.entry.high == pytest.approx(fresh.entry.high, abs=0.01)
    assert kept.entry.low == pytest.approx(fresh.entry.low, abs=0.01)
    maps = [np.asarray(Image.open(io.BytesIO(o.entry.gain_map))) for o in (fresh, kept)]
    assert np.abs(maps[0].astype(int) - maps[1]).mean() < 2


def test_the_mask_separates_measured_from_predicted_pixels(tmp_path, networks, picture):
    picture[30:35, 5:10] = 255, 100, 250  # Saturated in red alone, partly in blue.
    Image.fromarray(picture).save(tmp_path / "p.png")
    _, channels, _ = result_of(tmp_path / "p.png", networks, mask=True)
    mask = np.stack([channels[f"mask.{name}"] for name in "RGB"], axis=-1)
    expected = np.clip((picture / 255.0 - 0.95) / 0.05, 0, 1)
    np.testing.assert_allclose(mask, expected, atol=1e-3)
    assert mask[32, 7].tolist() == pytest.approx([1, 0, (250 / 255 - 0.95) / 0.05], abs=1e-3)
    # Readers that do not know the mask get the image.
    np.testing.assert_array_equal(read_exr(tmp_path / "out" / "p.exr"), image(channels))
    _, plain, _ = result_of(tmp_path / "p.png", networks, overwrite=True)
    assert set(plain) == set("RGB")


@given(
    hnp.arrays(np.float32, (4, 3), elements=st.floats(-10, 60000, width=32)),
    st.floats(0, 15),
)
def test_cap_scales_pixels_above_the_limit_and_leaves_the_rest(linear, stops):
    held, limit = cap(linear, stops), np.float32(2**stops)
    above = linear.max(axis=-1) > limit
    np.testing.assert_array_equal(held[~above], linear[~above])
    np.testing.assert_allclose(held[above].max(axis=-1), limit, rtol=1e-6)
    scale = limit / linear[above].max(axis=-1, keepdims=True)
    np.testing.assert_allclose(held[above], linear[above] * scale, rtol=1e-5)


def test_max_stops_limits_the_peak_of_the_file(wide, networks):
    _, free, _ = result_of(wide, networks)
    stops = float(np.log2(image(free).max())) / 2
    assert stops > 0.1
    _, held, outcome = result_of(wide, networks, max_stops=stops)
    assert image(held).max() == pytest.approx(2**stops, rel=2**-11)
    assert outcome.peak_after <= 2**stops * 1.001
    below = image(free).max(axis=-1) < 2**stops * 0.999
    np.testing.assert_array_equal(image(held)[below], image(free)[below])


def test_camera_data_are_copied_and_the_location_never(tmp_path, networks, picture):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E] = "Maker", "Model 7", "a private title"
    inner = exif.get_ifd(0x8769)
    inner |= {0x829A: 0.008, 0x829D: 2.8, 0x8827: 400, 0x920A: 35.0, 0xA434: "Lens",
              0x9003: "2020:02:03 04:05:06", 0x9011: "+05:30", 0x9209: 16,
              0xA431: "SERIAL-4711"}  # fmt: skip
    place = exif.get_ifd(0x8825)
    place |= {1: "N", 2: (59.0, 19.0, 46.0), 3: "E", 4: (18.0, 4.0, 7.0), 29: "2020:02:03"}
    Image.fromarray(picture).save(tmp_path / "p.jpg", exif=exif, quality=95)
    header, _, _ = result_of(tmp_path / "p.jpg", networks)
    said = {"cameraMake": "Maker", "cameraModel": "Model 7", "lensModel": "Lens",
            "capDate": "2020:02:03 04:05:06", "utcOffset": -19800.0, "isoSpeed": 400.0,
            "aperture": pytest.approx(2.8), "expTime": pytest.approx(0.008),
            "nominalFocalLength": 35.0, "exif:Flash": 16}  # fmt: skip
    assert {name: header.get(name) for name in said} == said
    written = (tmp_path / "out" / "p.exr").read_bytes()
    for private in (b"GPS", b"latitude", b"longitude", b"4711", b"private title"):
        assert private.lower() not in written.lower()
    assert b"GPS" not in str(header).encode()


@given(
    st.sampled_from([8, 16]).flatmap(
        lambda bits: st.tuples(
            st.just(bits),
            hnp.arrays(
                np.uint8 if bits == 8 else np.uint16,
                (3, 5, 3),
                elements=st.integers(0, 2**bits - 1),
            ),
        )
    )
)
def test_codes_get_back_their_stored_type(stored):
    bits, codes = stored
    code = codes.astype(np.float32)
    code /= np.float32(2**bits - 1)  # As the reader does.
    held = to_integer_codes(code, bits)
    assert held.dtype == codes.dtype
    np.testing.assert_array_equal(held, codes)


def test_codes_of_other_depths_stay_float():
    code = np.random.default_rng(0).random((4, 4, 3), np.float32)
    assert to_integer_codes(code, 10) is code


def test_a_large_picture_is_never_held_as_float32_once_it_is_read(tmp_path, networks):
    """Beside the half floats of result and mask, writing needs memory for strips only."""
    rows, columns = 1500, 2000
    codes = np.full((rows, columns, 3), 90, np.uint8)
    codes[700:720, 900:930] = 255
    Image.fromarray(codes).save(tmp_path / "large.png", icc_profile=profile(DISPLAY_P3))
    settings = Settings(mask=True, max_stops=3.0)
    (job,) = plan.plan([tmp_path / "large.png"], tmp_path / "out").jobs
    conversion = Conversion(job, networks, settings, SequenceStates()).read()
    assert conversion.frame.image.nbytes == rows * columns * 3
    conversion.reconstruct()
    assert conversion.result.hdr.nbytes == rows * columns * 6
    tracemalloc.start()
    outcome = conversion.write()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.error is None
    half = rows * columns * 6
    # NumPy's memory: the mask as half floats, and a few strips of 256 rows.
    assert peak < half + 12 * 256 * columns * 3 * 4
