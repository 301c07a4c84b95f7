"""Frames as R'G'B': correct colours for every matrix and range, and identical in any part of a
film.
"""

import itertools
from fractions import Fraction

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import DISPLAY_P3
from hdrcnn.files import ImageError
from hdrcnn.video import decode, folder, source
from hdrcnn.video.library import clock

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import TAGS_709, moving_images, write_film

EVEN = [np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 60, 40), (30, 120, 220))]


@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
@pytest.mark.parametrize("tags", [TAGS_709, (6, 1, 6, 6), (1, 2, 1, 1), (5, 2, 5, 6)])
def test_colours_come_back(tmp_path, kind, tags):
    path = write_film(tmp_path / "a.mkv", EVEN, kind=kind, tags=tags, options={"qp": "0"})
    frames = list(decode.frames(source.probe(path)))
    for frame, picture in zip(frames, EVEN, strict=True):
        assert np.abs(frame.codes() - picture / 255.0).max() < 2.5 / 255.0


@pytest.mark.parametrize(
    ("codec", "kind", "bits"),
    [
        ("png", "rgb24", 8),
        ("png", "rgb48be", 16),
        ("ffv1", "gbrp10le", 10),
        ("ffv1", "gbrp12le", 12),
    ],
)
def test_films_of_rgb_come_back(tmp_path, codec, kind, bits):
    path = tmp_path / ("a.mov" if codec == "png" else "a.mkv")
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=24)
        video.width, video.height, video.pix_fmt = 64, 48, kind
        for index, picture in enumerate(moving_images(2)):
            codes = np.round(picture / 255.0 * (2**bits - 1))
            stored = codes.astype(np.uint8 if bits == 8 else np.uint16)
            frame = av.VideoFrame.from_ndarray(stored, kind)
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    for frame, picture in zip(decode.frames(source.probe(path)), moving_images(2), strict=True):
        assert np.abs(frame.codes() - picture / 255.0).max() < 0.51 / (2**bits - 1)


@pytest.mark.parametrize(
    ("kind", "codec", "name"),
    [
        ("rgb555le", "rawvideo", "a.avi"),
        ("rgb565le", "rawvideo", "a.nut"),
        ("pal8", "png", "a.mov"),
    ],
)
def test_films_of_few_bits_and_of_palettes_come_back(tmp_path, kind, codec, name):
    """In HD size, for which a YCbCr film would be taken as BT.709; white stays white."""
    colours = np.array([[255, 255, 255], [0, 0, 0], [255, 99, 0], [33, 66, 198]])
    columns = np.repeat(np.arange(4), 320)
    if kind == "pal8":
        table = np.zeros((256, 4), np.uint8)
        table[:4, :3], table[:4, 3] = colours[:, ::-1], 255
        stored = [np.tile(columns.astype(np.uint8), (48, 1)), table]
    else:
        green = 6 if kind == "rgb565le" else 5
        red, middle, blue = np.round(colours.T / 255 * [[31], [2**green - 1], [31]]).astype(int)
        code = red << (5 + green) | middle << 5 | blue
        stored = [np.tile(code[columns].astype("<u2"), (48, 1))]
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=24)
        video.width, video.height, video.pix_fmt = 1280, 48, kind
        frame = av.VideoFrame(1280, 48, kind)
        for plane, samples in zip(frame.planes, stored, strict=True):
            plane.update(samples.tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    (frame,) = decode.frames(source.probe(path))
    codes = frame.codes()
    assert np.abs(codes - colours[columns] / 255.0).max() < (1.5 if kind == "pal8" else 5.0) / 255.0
    assert codes[:, :320].min() == 1.0


def test_ten_bits_are_kept(tmp_path):
    """A ramp that is finer than 8-bit codes keeps its steps."""
    path = tmp_path / "a.mkv"
    samples = np.full((48 * 3 // 2, 64), 512, np.uint16)
    samples[:48] = 400 + np.arange(64) // 2
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=24)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(samples, "yuv420p10le")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    (frame,) = decode.frames(source.probe(path))
    expected = (400 + np.arange(64) // 2 - 64) / 876
    assert np.abs(frame.codes()[20, :, 1] - expected).max() < 1e-5


def test_strips_make_up_the_frame(tmp_path):
    path = write_film(tmp_path / "a.mp4", moving_images(1, size=(64, 150)))
    (frame,) = decode.frames(source.probe(path))
    strips = [strip.codes() for strip in frame.strips()]
    assert len(strips) == 3
    assert np.array_equal(np.concatenate(strips), frame.codes())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_any_part_equals_that_of_the_whole_film(tmp_path, name):
    path = write_film(
        tmp_path / name, moving_images(40), options={"g": "10", "bf": "2"}, sound=name != "a.avi"
    )
    found = source.probe(path)
    whole = {frame.time: frame.codes() for frame in decode.frames(found)}
    assert len(whole) == 40
    times = sorted(whole)
    for first, last in ((0, 7), (5, 25), (10, 11), (33, 40)):
        end = times[last] if last < 40 else None
        part = {frame.time: frame.codes() for frame in decode.frames(found, times[first], end)}
        assert sorted(part) == times[first:last]
        assert all(np.array_equal(codes, whole[time]) for time, codes in part.items())


def test_frames_of_avi_are_in_order_however_early_the_second_key_frame_is(tmp_path):
    """AVI stores no times of reordered frames. A decoder takes the packet of the second key frame
    before it returns the first frame.
    """
    checks = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8).repeat(8, axis=0)
    checks = checks.repeat(8, axis=1)
    pictures = [*moving_images(2), *(np.roll(checks, 2 * index, axis=1) for index in range(10))]
    options = {"preset": "medium", "bf": "2", "x264-params": "min-keyint=1:scenecut=40"}
    known = source.probe(write_film(tmp_path / "a.avi", pictures, options=options))
    assert not known.has_time_stamps
    assert known.times[0] < known.keys[1] <= known.times[2]
    found = list(decode.frames(known))
    assert [frame.time for frame in found] == known.times.tolist()
    apart = [[np.abs(f.codes() - p / 255.0).mean() for p in pictures[1:]] for f in found[1:]]
    assert np.argmin(apart, axis=1).tolist() == list(range(len(pictures) - 1))


@pytest.mark.parametrize(
    ("ending", "more"),
    [("avi", {"x264-params": "open-gop=1:bframes=3:b-pyramid=2"}), ("asf", {}), ("avi", {})],
)
def test_frames_after_a_seek_have_correct_times_without_times_in_the_file(tmp_path, ending, more):
    """After a seek a decoder drops the frames of an open group of pictures that are shown before
    its key frame; ASF then states another time of the key frame.
    """
    options = {"preset": "medium", "bf": "2", "g": "12", **more}
    known = source.probe(write_film(tmp_path / f"a.{ending}", moving_images(48), options=options))
    assert not known.has_time_stamps
    whole = [(frame.time, frame.luma()) for frame in decode.frames(known)]
    assert [time for time, _ in whole] == known.times.tolist()
    starts = [*np.searchsorted(known.times, known.keys), 30]
    for start in starts:
        found = [*itertools.islice(decode.frames(known, int(known.times[start])), 4)]
        assert [frame.time for frame in found] == known.times[start : start + 4].tolist()
        for frame, (_, luma) in zip(found, whole[start:], strict=False):
            assert np.array_equal(frame.luma(), luma)


def test_interlaced_frames_are_deinterlaced_and_reported(tmp_path):
    """Two fields of a moving object: combing in the film, none in the decoded frames."""
    pictures = []
    for index in range(12):
        frame = np.full((64, 96, 3), 40, np.uint8)
        frame[0::2, 4 * index : 4 * index + 30] = 210
        frame[1::2, 4 * index + 2 : 4 * index + 32] = 210
        pictures.append(frame)
    path = write_film(
        tmp_path / "a.mkv", pictures, codec="libx264",
        options={"x264-params": "interlaced=1:tff=1", "preset": "medium", "crf": "5"},
    )  # fmt: skip
    found = source.probe(path)
    assert found.interlaced
    assert any("deinterlaced" in note for note in found.notes)
    whole = list(decode.frames(found))
    assert [frame.time for frame in whole] == list(found.times)
    comb = [
        np.abs(np.diff(frame.codes()[8:56, :, 1], axis=0)).max(axis=1).mean() for frame in whole
    ]
    source_comb = np.abs(np.diff(pictures[6][8:56, :, 1] / 255.0, axis=0)).max(axis=1).mean()
    assert max(comb[2:-2]) < 0.3 * source_comb


def test_a_change_of_size_is_named(tmp_path):
    """Two elementary streams one after the other."""
    first = write_film(tmp_path / "a.h264", moving_images(12))
    second = write_film(tmp_path / "b.h264", moving_images(12, size=(96, 64)))
    path = tmp_path / "c.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    found = source.probe(path)
    with pytest.raises(ImageError, match=r"c\.h264.*size changes.*96x64"):
        list(decode.frames(found))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_folder_of_frames_is_a_film(tmp_path, ending, kind):
    scale = 1 if kind == np.uint8 else 257
    for index, picture in enumerate(moving_images(11)):
        path = tmp_path / f"frame{index + 1}{ending}"
        codes = picture.astype(kind) * kind(scale)
        if ending == ".tif":
            tifffile.imwrite(path, codes, photometric="rgb")
        elif kind == np.uint8:
            iio.imwrite(path, codes)
        else:
            import imagecodecs

            path.write_bytes(imagecodecs.png_encode(codes))
    found = folder.probe(tmp_path, Fraction(25))
    assert found.rate == 25
    assert found.notes == ()
    frames = list(decode.frames(found, 1, 10))
    assert [frame.time for frame in frames] == list(range(1, 10))
    for frame, picture in zip(frames, moving_images(11)[1:10], strict=True):  # 10 is after 9.
        assert np.abs(frame.codes() - picture / 255.0).max() < 1e-6


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (range(8, 12), None),
        (range(10, 60, 10), None),
        ((1, 2, 5, 6, 9), "4 frames are missing, the first after f_0002.png"),
        ((1, 2, 4), "1 frame is missing, after f_0002.png"),
    ],
)
def test_missing_numbers_in_a_folder_of_frames_are_reported(tmp_path, numbers, told):
    for number in numbers:
        iio.imwrite(tmp_path / f"f_{number:04}.png", np.full((48, 64, 3), number, np.uint8))
    known = folder.probe(tmp_path, Fraction(24))
    assert len(known.files) == len(numbers)
    assert [note for note in known.notes if "missing" in note] == [
        f"{told}: the film goes on without a gap" for told in [told] if told
    ]


def test_two_frames_of_one_number_are_refused(tmp_path):
    """Their film would be twice as long."""
    for name in ("f_1.png", "f_2.png", "f_2.tif"):
        iio.imwrite(tmp_path / name, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ImageError, match=r"f_2\.png.*f_2\.tif"):
        folder.probe(tmp_path, Fraction(24))


def test_images_that_are_not_frames_are_named(tmp_path):
    iio.imwrite(tmp_path / "1.png", moving_images(1)[0])
    (tmp_path / "film.json").write_text("{}")
    assert folder.probe(tmp_path, Fraction(24)).notes == ()
    for name in ("1.jpg", "2.jpg"):
        iio.imwrite(tmp_path / name, moving_images(1)[0])
    found = folder.probe(tmp_path, Fraction(24))
    assert [path.name for path in found.files] == ["1.png"]
    (note,) = found.notes
    assert "1.jpg and 1 more" in note


def test_frames_of_another_size_are_named(tmp_path):
    iio.imwrite(tmp_path / "1.png", moving_images(1)[0])
    iio.imwrite(tmp_path / "2.png", moving_images(1, size=(32, 32))[0])
    with pytest.raises(ImageError, match=r"2\.png.*one size"):
        list(decode.frames(folder.probe(tmp_path, None)))


@pytest.mark.parametrize(
    ("kind", "codec", "tags"),
    [
        ("yuv420p", "libx264", TAGS_709),
        ("yuv422p10le", "libx264", (1, 2, 1, 1)),
        ("bgr0", "ffv1", None),
    ],
)
def test_luma_is_that_of_every_second_pixel(tmp_path, kind, codec, tags):
    options = {"qp": "0"} if codec == "libx264" else {}
    path = write_film(
        tmp_path / "a.mkv", moving_images(1), kind=kind, codec=codec, tags=tags, options=options
    )
    (frame,) = decode.frames(source.probe(path))
    expected = frame.codes() @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    assert np.abs(frame.luma() - expected[::2, ::2]).max() < 1e-4


def test_frames_of_other_primaries_are_refused_unless_they_are_grey(tmp_path):
    """All codes are converted from the primaries of the first frame."""
    (picture,) = moving_images(1)
    Image.fromarray(picture).save(tmp_path / "1.png")
    grey, profile = np.full_like(picture, 90), matrix_profile(DISPLAY_P3)
    Image.fromarray(grey).save(tmp_path / "2.png", icc_profile=profile)
    known = folder.probe(tmp_path, None)
    frames = [frame.codes() for frame in decode.frames(known)]
    np.testing.assert_allclose(frames, np.stack([picture, grey]) / 255, atol=1e-6)
    Image.fromarray(picture).save(tmp_path / "3.png", icc_profile=profile)
    with pytest.raises(ImageError, match=r"3\.png.*profile"):
        list(decode.frames(folder.probe(tmp_path, None)))


def test_the_alpha_channel_of_frames_is_reported(tmp_path):
    Image.fromarray(np.full((48, 64, 4), 128, np.uint8)).save(tmp_path / "1.png")
    (note,) = folder.probe(tmp_path, Fraction(24)).notes
    assert "alpha" in note


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (65.2, "1:05.2"),
        (59.94, "0:59.9"),
        (59.96, "1:00.0"),
        (3599.97, "1:00:00.0"),
        (-1, "0:00.0"),
    ],
)
def test_seconds_are_rounded_before_minutes_are_split_off(seconds, text):
    assert clock(seconds) == text
