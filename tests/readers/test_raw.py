"""RAW files: the light of the sensor reaches the result, beside LibRaw's own rendering."""

import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tifffile

import hdrcnn
from hdrcnn.batch import plan
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert
from hdrcnn.colour.measured import SensorLight
from hdrcnn.files import ImageError
from hdrcnn.readers import raw
from hdrcnn.readers.folders import may_be_picture
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers import Options
from training_code.camera.dng import RawSensor, mosaic, write_dng

rawpy = pytest.importorskip("rawpy")
SENSOR = RawSensor(black=(512, 500, 505, 520))
EVEN = RawSensor()
WHOLE = slice(None), slice(None)


def sensor_of(path: Path) -> SensorLight:
    """Sensor light of a RAW file."""
    sensor = read_photograph(path).sensor
    assert sensor is not None
    return sensor


def scene(rows=48, columns=64, brightest=4.0):
    """[H, W, 3] linear: a horizontal ramp in warm light, up to beyond every clipping level."""
    ramp = np.geomspace(0.002, brightest, columns)[None, :, None] * np.ones((rows, 1, 1))
    return ramp * [1.0, 0.9, 0.7]


def camera_rgb(samples, sensor):
    """White-balanced camera RGB [..., 3] of samples without a mosaic."""
    black = sensor.black[0]
    return (samples - float(black)) / (sensor.white - black) * sensor.multipliers


@pytest.fixture
def linear(tmp_path):
    samples = EVEN.samples(scene())
    write_dng(tmp_path / "linear.dng", samples, EVEN)
    return tmp_path / "linear.dng", samples


@pytest.fixture(scope="module")
def networks(tiny_weights):
    return Networks(functools.partial(hdrcnn.load, precision="float32"), tiny_weights)


def result_of(path, networks, **settings):
    wanted = Settings(**settings)
    (job,) = plan.plan([path], path.parent / "out", wanted.endings).jobs
    return job, convert(job, networks, wanted)


def test_every_sample_of_linear_raw_is_kept_negative_ones_too(tmp_path):
    samples = np.random.default_rng(1).integers(300, 16384, (30, 41, 3)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", samples, EVEN)
    sensor = sensor_of(tmp_path / "a.dng")
    assert sensor.levels == pytest.approx((2.0, 1.0, 1.5), rel=1e-5)
    found, true = sensor.camera(WHOLE), camera_rgb(samples, EVEN)
    assert found.min() < -0.01
    # Half a step of LibRaw's 16 bits, which is less than one of the sensor's 14.
    np.testing.assert_allclose(found, true, atol=0.5 * 2.0 / (65535 - raw.PEDESTAL) + 1e-6)
    light = true @ np.linalg.inv(EVEN.mixture).T
    np.testing.assert_allclose(sensor.light(WHOLE), light, rtol=5e-4, atol=1e-4)


@pytest.mark.parametrize("sensor", [SENSOR, dataclasses.replace(SENSOR, multipliers=(1, 1.3, 6))])
def test_a_mosaic_of_uniform_light_gives_that_light(tmp_path, sensor):
    """Four black levels; a white balance beyond what is applied before interpolation."""
    light = np.full((32, 40, 3), [0.11, 0.1, 0.09])
    write_dng(tmp_path / "a.dng", mosaic(sensor.samples(light)), sensor)
    found = sensor_of(tmp_path / "a.dng").light(WHOLE)
    np.testing.assert_allclose(found, light, rtol=0.004)


def test_each_channel_holds_light_up_to_its_own_clipping_level(tmp_path):
    light = scene()
    write_dng(tmp_path / "a.dng", mosaic(SENSOR.samples(light)), SENSOR)
    sensor = sensor_of(tmp_path / "a.dng")
    camera = sensor.camera(WHOLE)
    np.testing.assert_allclose(camera.reshape(-1, 3).max(axis=0), [2.0, 1.0, 1.5], rtol=1e-3)
    true = light @ np.array(SENSOR.mixture).T
    masked = sensor.mask(WHOLE)
    inside = (slice(4, -4), slice(4, -4))
    np.testing.assert_array_equal(masked[inside][true[inside] < 0.9 * np.array([2, 1, 1.5])], 0)
    np.testing.assert_array_equal(masked[inside][true[inside] > 1.1 * np.array([2, 1, 1.5])], 1)
    between = (true[inside] > 1.2) & (true[inside] < 1.8)
    red = camera[inside][..., 0][between[..., 0]]
    np.testing.assert_allclose(red, true[inside][..., 0][between[..., 0]], rtol=0.02)


@pytest.mark.parametrize("flat", [False, True])
def test_the_rendering_is_that_of_libraw(tmp_path, flat):
    # For linear RAW, LibRaw's rendering takes the white level as counted above black.
    own = EVEN if flat else dataclasses.replace(EVEN, black=(0, 0, 0, 0))
    samples = own.samples(scene())
    write_dng(tmp_path / "a.dng", mosaic(samples) if flat else samples, own)
    photograph = read_photograph(tmp_path / "a.dng")
    with rawpy.imread(str(tmp_path / "a.dng")) as opened:
        theirs = opened.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            gamma=(2.4, 12.92),
            adjust_maximum_thr=0.0,
            highlight_mode=rawpy.HighlightMode.Clip,
        )
    ours = np.round(255 * photograph.code).astype(int)
    assert (photograph.bits, photograph.lossy) == (8, False)
    difference = abs(ours - theirs)[3:-3, 3:-3]
    assert np.percentile(difference, 99) <= (3 if flat else 1)


@pytest.mark.parametrize(
    ("orientation", "turned"), [(1, lambda a: a), (6, lambda a: np.rot90(a, -1)), (3, np.rot90)]
)
def test_the_photograph_is_upright(tmp_path, orientation, turned):
    samples = EVEN.samples(scene(24, 40))
    write_dng(tmp_path / "up.dng", samples, EVEN)
    write_dng(tmp_path / "a.dng", samples, EVEN, orientation)
    up = read_photograph(tmp_path / "up.dng")
    found = read_photograph(tmp_path / "a.dng")
    expected = np.rot90(turned(up.code)) if orientation == 3 else turned(up.code)
    np.testing.assert_array_equal(found.code, expected)
    assert found.sensor is not None
    assert found.sensor.shape == expected.shape


def test_a_monochrome_sensor(tmp_path):
    grey = np.random.default_rng(2).integers(500, 16384, (32, 40)).astype(np.uint16)
    tags = [(50706, 1, 4, b"\1\4\0\0", True), (50714, 5, 1, (512, 1), True),
            (50717, 4, 1, 16383, True)]  # fmt: skip
    tifffile.imwrite(tmp_path / "a.dng", grey, photometric=1, metadata=None, extratags=tags)
    with tifffile.TiffFile(tmp_path / "a.dng", mode="r+") as file:
        file.pages.first.tags["PhotometricInterpretation"].overwrite(34892)
    sensor = sensor_of(tmp_path / "a.dng")
    light = (grey - 512.0) / (16383 - 512)
    np.testing.assert_allclose(sensor.light(WHOLE), np.dstack([light] * 3), atol=1e-4)
    assert sensor.levels == (1.0, 1.0, 1.0)


def test_camera_data(linear):
    camera = read_photograph(linear[0]).camera
    assert (camera["Make"], camera["Model"]) == ("Virtual", "Sensor")


def test_raw_is_recognised_by_content_and_extension(tmp_path, linear):
    """A DNG is recognised under any name, unknown content by its extension."""
    (tmp_path / "a.tif").write_bytes(linear[0].read_bytes())
    assert read_photograph(tmp_path / "a.tif").sensor is not None
    assert all(may_be_picture(tmp_path / f"a{suffix}") for suffix in raw.SUFFIXES)
    assert may_be_picture(tmp_path / "A.NEF")
    for name in ("a.nef", "a.cr3", "a.arw"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 8)
        with pytest.raises(ImageError, match=f"{name}: .*LibRaw") as caught:
            read_photograph(tmp_path / name)
        assert "nsupported" in str(caught.value)


def test_without_its_package_one_line_says_what_to_install(linear, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(ImageError, match=r"linear\.dng: .*pip install rawpy"):
        read_photograph(linear[0])


def test_files_larger_than_allowed_are_refused(linear):
    with pytest.raises(ImageError, match=r"linear\.dng: .*--max_megapixels"):
        read_photograph(linear[0], max_megapixels=0.003)


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.7])
def test_a_truncated_file_is_named(linear, kept):
    path, _ = linear
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ImageError, match=r"linear\.dng: .*copy") as caught:
        read_photograph(path)
    assert "\n" not in str(caught.value)


def test_measured_light_is_kept_and_the_rest_is_brighter(linear, networks):
    path, samples = linear
    job, outcome = result_of(path, networks, mask=True, options=Options(exr_float=True))
    assert outcome.error is None
    hdr = read_exr(job.output(".exr"))
    camera = camera_rgb(samples, EVEN)
    kept = (camera < 0.95 * np.array(EVEN.multipliers)).all(axis=-1)
    light = camera @ np.linalg.inv(EVEN.mixture).T
    np.testing.assert_allclose(hdr[kept], light[kept], atol=1e-4)
    found = hdr @ np.array(EVEN.mixture).T
    inside = camera < 0.95 * np.array(EVEN.multipliers)
    np.testing.assert_allclose(found[inside], camera[inside], atol=1e-3)
    assert inside.any(axis=-1).sum() > kept.sum()
    assert (found[~inside] > 0.95).all()
    with OpenEXR.File(str(job.output(".exr")), separate_channels=True) as file:
        planes = [np.array(file.channels()[f"mask.{name}"].pixels) for name in "RGB"]
        assert file.header()["cameraMake"] == "Virtual"
    np.testing.assert_array_equal(np.stack(planes, -1)[inside], 0)
    assert outcome.saturated == pytest.approx((~kept).mean(), abs=0.1)


def test_results_are_kept_and_reported_like_any_other(linear, networks):
    first = result_of(linear[0], networks, report_bytes=100_000, scaling=2.0)[1]
    again = result_of(linear[0], networks, report_bytes=100_000, scaling=2.0)[1]
    assert (first.status, again.status) == ("done", "kept")
    assert first.entry.photograph == again.entry.photograph
    assert again.entry.gain.peak_before == pytest.approx(first.peak_before, abs=0.01)
    assert first.peak_before <= 1.01  # Of LibRaw's clipped rendering.
    other = read_exr(result_of(linear[0], networks, scaling="auto")[0].output(".exr"))
    result_of(linear[0], networks, camera_curve="srgb")
    np.testing.assert_array_equal(read_exr(linear[0].parent / "out" / "linear.exr"), other)


def test_every_format_and_another_size(linear, networks):
    job, outcome = result_of(
        linear[0], networks, width=32, formats=("exr", "ultrahdr", "png"), previews=True
    )
    assert outcome.error is None
    assert (outcome.width, outcome.height) == (32, 24)
    light = read_exr(job.output(".exr"))
    np.testing.assert_allclose(light[:, 4], scene(24, 32)[:, 4], rtol=0.1)


def test_the_library_gives_what_the_command_gives(linear, networks, tiny_weights):
    job, _ = result_of(linear[0], networks, precision="float32", options=Options(exr_float=True))
    hdr = hdrcnn.reconstruct(linear[0], tiny_weights, precision="float32")
    np.testing.assert_allclose(read_exr(job.output(".exr")), hdr, rtol=1e-5, atol=1e-6)
    photo = hdrcnn.read_photograph(linear[0])
    with pytest.raises(ValueError, match="sensor"):
        hdrcnn.load(tiny_weights).reconstruct(photo.code[:10], sensor=photo.sensor)
    hdrcnn.write(linear[0].parent / "own_hdr.jpg", hdr, photograph=photo)
