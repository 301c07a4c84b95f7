"""Existing pairs: the published layout, and films aligned in time and cropped to the picture."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile

from hdrcnn.colour.hlg import hlg_codes
from hdrcnn.colour.pq import pq_light
from hdrcnn.files import ImageError
from training_code.scenes import film_pairs

SHAPE = (32, 48)
RNG = np.random.default_rng(6)


def layout(folder: Path, names: tuple[str, ...]) -> None:
    for kind, code in (("SDR", np.uint8), ("HDR", np.uint16)):
        place = folder / "Train_dataset" / f"{kind}_train_colour_tiff"
        place.mkdir(parents=True)
        for index, name in enumerate(names):
            picture = np.full((64, 96, 3), 40 * (index + 1) * (257 if kind == "HDR" else 1), code)
            tifffile.imwrite(place / f"{kind}_{name}.tif", picture)


def test_published_layout_is_paired_by_sorted_name(tmp_path):
    layout(tmp_path, ("b", "a"))
    pairs = list(film_pairs.folder_pairs(tmp_path, "train", SHAPE))
    assert [(int(s[0, 0, 0, 0]), int(h[0, 0, 0, 0]) // 257) for s, h in pairs] == [
        (80, 80), (40, 40),
    ]  # fmt: skip
    assert pairs[0][0].shape == pairs[0][1].shape == (2, *SHAPE, 3)
    assert (pairs[0][0].dtype, pairs[0][1].dtype) == (np.uint8, np.uint16)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_pictures_are_paired_by_name(tmp_path, ending):
    import imagecodecs

    sdr = RNG.integers(0, 256, (*SHAPE, 3), np.uint8)
    hdr = RNG.integers(0, 65536, (*SHAPE, 3), np.uint16)
    for kind, picture in (("sdr", sdr), ("hdr", hdr)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / ".DS_Store").touch()
        path = tmp_path / kind / f"001{ending}"
        if ending == ".png":
            path.write_bytes(imagecodecs.png_encode(picture))
        else:
            tifffile.imwrite(path, picture)
    ((small, wide),) = film_pairs.folder_pairs(tmp_path, "test", SHAPE)
    np.testing.assert_array_equal(small, np.stack([sdr, sdr]))
    np.testing.assert_array_equal(wide, np.stack([hdr, hdr]))
    (tmp_path / "sdr" / "002.png").touch()
    with pytest.raises(ImageError, match=r"002\.png.*hdr/"):
        list(film_pairs.folder_pairs(tmp_path, "test", SHAPE))


def test_files_without_a_partner_or_of_the_wrong_type_are_refused(tmp_path):
    with pytest.raises(ImageError, match="SDR_train_colour_tiff"):
        list(film_pairs.folder_pairs(tmp_path, "train", SHAPE))
    layout(tmp_path, ("a", "b"))
    hdr = tmp_path / "Train_dataset" / "HDR_train_colour_tiff"
    tifffile.imwrite(hdr / "HDR_a.tif", np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(ImageError, match=r"HDR_a\.tif.*uint16"):
        list(film_pairs.folder_pairs(tmp_path, "train", SHAPE))
    (hdr / "HDR_a.tif").write_bytes(b"II*\0 not one")
    with pytest.raises(ImageError, match=r"HDR_a\.tif"):
        list(film_pairs.folder_pairs(tmp_path, "train", SHAPE))
    (hdr / "HDR_b.tif").unlink()
    with pytest.raises(ImageError, match="2 SDR and 1 HDR"):
        list(film_pairs.folder_pairs(tmp_path, "train", SHAPE))


def film(
    path: Path,
    levels: np.ndarray,
    bar: int,
    ten: bool,
    colour: tuple[float, ...] = (1.0, 1.0, 1.0),
    tags: tuple[int, ...] = (),
    rate: int = 24,
) -> None:
    """Write a film with one grainy frame per value of `levels`, between black bars of `bar` rows.

    tags: matrix, range, primaries and transfer; without them the matrix is BT.2020's for ten bits,
    else BT.709's.
    """
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        codec = "libx265" if ten else "libx264"
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width, stream.height = 96, 64 + 2 * bar
        stream.pix_fmt = "yuv420p10le" if ten else "yuv420p"
        stream.options = {"crf": "10", "preset": "ultrafast"}
        if ten:
            stream.options |= {"x265-params": "log-level=none"}
        if tags:
            context = stream.codec_context
            context.colorspace, context.color_range = tags[:2]
            context.color_primaries, context.color_trc = tags[2:]
        for level in levels:
            picture = np.zeros((64 + 2 * bar, 96, 3), np.uint16 if ten else np.uint8)
            grain = np.random.default_rng(1).uniform(0.8, 1.0, (64, 96, 1))
            inside = grain * level * np.array(colour) * (65535 if ten else 255)
            picture[bar : bar + 64] = inside.astype(picture.dtype)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le" if ten else "rgb24")
            space = {9: "BT2020", 1: "ITU709", 6: "ITU601"}[tags[0] if tags else 9 if ten else 1]
            container.mux(
                stream.encode(frame.reformat(format=stream.pix_fmt, dst_colorspace=space))
            )
        container.mux(stream.encode())


LEVELS = 0.5 + 0.4 * np.convolve(RNG.uniform(-1.0, 1.0, 60), np.ones(3) / 3, "same")


def test_films_are_aligned_in_time_and_cropped_to_the_picture(tmp_path):
    for kind in ("sdr", "hdr"):
        (tmp_path / kind).mkdir()
    film(tmp_path / "sdr" / "one.mp4", LEVELS[5:], 0, ten=False)
    film(tmp_path / "hdr" / "one.mkv", 0.6 * LEVELS, 16, ten=True)
    pairs = list(film_pairs.video_pairs(tmp_path, SHAPE))
    assert [name for name, _ in pairs] == ["one"] * 3
    for index, (_, (sdr, hdr)) in enumerate(pairs):
        for place in (0, 1):
            level = 0.9 * LEVELS[5 + index * film_pairs.STEP + place]
            assert sdr[place].mean() / 255.0 == pytest.approx(level, abs=0.03)
            assert hdr[place].mean() / 65535.0 == pytest.approx(0.6 * level, abs=0.03)


def test_films_that_do_not_match_are_refused(tmp_path):
    for kind in ("sdr", "hdr"):
        (tmp_path / kind).mkdir()
    film(tmp_path / "sdr" / "one.mp4", LEVELS, 0, ten=False)
    other = np.random.default_rng(7).uniform(0.1, 0.9, 60)
    film(tmp_path / "hdr" / "one.mp4", other, 0, ten=True)
    with pytest.raises(ImageError, match=r"one\.mp4.*brightness"):
        list(film_pairs.video_pairs(tmp_path, SHAPE))
    (tmp_path / "hdr" / "one.mp4").rename(tmp_path / "hdr" / "two.mp4")
    with pytest.raises(ImageError, match=r"one\.mp4.*hdr/"):
        list(film_pairs.video_pairs(tmp_path, SHAPE))


ORANGE = (1.0, 0.6, 0.3)


def test_colours_of_films_are_read_by_their_tags(tmp_path):
    for kind in ("sdr", "hdr"):
        (tmp_path / kind).mkdir()
    levels = 0.6 * LEVELS
    film(tmp_path / "sdr" / "one.mp4", levels, 0, False, ORANGE, (6, 1, 6, 6))
    film(tmp_path / "hdr" / "one.mp4", levels, 0, True, ORANGE, (9, 1, 9, 18))
    _, (sdr, hdr) = next(film_pairs.video_pairs(tmp_path, SHAPE))
    wanted = 0.9 * levels[0] * np.array(ORANGE)
    assert sdr.mean(axis=(0, 1, 2)) / 255.0 == pytest.approx(wanted, abs=0.02)
    found = hlg_codes(pq_light(hdr / 65535.0))
    assert found.mean(axis=(0, 1, 2)) == pytest.approx(wanted, abs=0.02)


def test_hdr_films_keep_more_than_8_bits(tmp_path):
    for kind in ("sdr", "hdr"):
        (tmp_path / kind).mkdir()
        film(tmp_path / kind / "one.mp4", LEVELS, 0, kind == "hdr")
    _, (_, hdr) = next(film_pairs.video_pairs(tmp_path, (64, 96)))
    between = hdr / 65535.0 * 255.0
    assert np.abs(between - np.rint(between)).mean() > 0.1


def test_a_film_of_the_wrong_kind_is_refused(tmp_path):
    film(tmp_path / "sdr.mp4", LEVELS, 0, False, tags=(1, 1, 1, 1))
    film(tmp_path / "hdr.mp4", LEVELS, 0, True, tags=(9, 1, 9, 16))
    film(tmp_path / "wide.mp4", LEVELS, 0, False, tags=(9, 1, 9, 14))
    film(tmp_path / "fast.mp4", LEVELS, 0, False, rate=25)
    for sdr, hdr, reason in (
        ("sdr", "sdr", "is SDR"),
        ("hdr", "hdr", "is HDR"),
        ("wide", "hdr", "gamut"),
        ("fast", "hdr", "rate"),
    ):
        with pytest.raises(ImageError, match=reason):
            next(film_pairs.film_pairs(tmp_path / f"{sdr}.mp4", tmp_path / f"{hdr}.mp4", SHAPE))


def test_lag_finds_the_shift_of_a_series():
    first = RNG.random(100)
    for shift in (-7, 0, 11):
        second = np.roll(first, shift)
        assert film_pairs.lag(first, second**2)[0] == shift


def test_black_bars_are_cropped():
    frame = np.zeros((40, 60, 3), np.float32)
    frame[6:34, 4:50] = 0.5
    assert film_pairs.active(frame) == (slice(6, 34), slice(4, 50))
    black = np.zeros_like(frame)
    assert film_pairs.active(black) is None
    assert film_pairs.bars([black, frame, black]) == (slice(6, 34), slice(4, 50))
    assert film_pairs.bars([black]) == (slice(0, 40), slice(0, 60))


@pytest.mark.parametrize(("kind", "other"), [("sdr", "hdr"), ("hdr", "sdr")])
def test_a_film_without_partner_is_named_whichever_it_is(tmp_path, kind, other):
    for name in ("sdr/a.mp4", "hdr/a.mkv", f"{kind}/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ImageError, match=rf"^[^\n]*{kind}/b\.mp4: [^\n]*{other}/"):
        film_pairs.named_pairs(tmp_path)
    (tmp_path / kind / "b.mp4").unlink()
    pairs = film_pairs.named_pairs(tmp_path)
    assert [(sdr.name, hdr.name) for sdr, hdr in pairs] == [("a.mp4", "a.mkv")]
