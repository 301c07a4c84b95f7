"""Reading gain maps: files written byte by byte or by libultrahdr, compared with formula and
truth.
"""

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.pq import pq_decode, pq_encode
from hdrcnn.colour.primaries import DISPLAY_P3, REC2020, linear_to_rec709
from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError
from hdrcnn.readers import gain_map, heif_gain_map
from hdrcnn.readers.gain_map import GainMapError
from hdrcnn.readers.photograph import Photograph, read_photograph
from hdrcnn.tiles.geometry import upright
from tests.readers import gain_map_files
from tests.readers.gain_map_files import COLUMNS, ROWS, base, gains, hdrgm, iso_numbers

TURNED = {1: [], 8: [(b"irot", b"\1")], 3: [(b"irot", b"\2")], 6: [(b"irot", b"\3")],
          2: [(b"imir", b"\1")], 4: [(b"imir", b"\0")], 7: [(b"irot", b"\1"), (b"imir", b"\1")],
          5: [(b"irot", b"\1"), (b"imir", b"\0")]}  # fmt: skip


def heif(*arguments, **settings) -> bytes:
    """`gain_map_files.heif`, but the test is skipped if the decoder is missing."""
    if arguments[0] == "HEIF":
        pytest.importorskip("pillow_heif")
    return gain_map_files.heif(*arguments, **settings)


@pytest.fixture
def read(tmp_path):
    """Return a function that reads bytes as a photograph."""

    def of(data: bytes, **settings: str) -> Photograph:
        (tmp_path / "p").write_bytes(data)
        return read_photograph(tmp_path / "p", gain_maps=settings.get("gain_maps", "use"))

    return of


def light_of(codes, gain, low=0.0, high=3.0, gamma=1.0, offsets=None) -> np.ndarray:
    """The formula of ISO 21496-1, in float64; gain: codes of a map of the same size."""
    before, after = offsets or (gain_map_files.BASE_OFFSET, gain_map_files.ALTERNATE_OFFSET)
    gain = gain[..., None] if gain.ndim == 2 else gain
    stops = low + (np.asarray(high) - low) * (gain / 255.0) ** (1.0 / np.asarray(gamma))
    return (srgb_decode(codes / 255.0) + before) * 2.0**stops - after


def stops_apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(np.log2(np.maximum(one, 1e-4) / np.maximum(other, 1e-4)))


def assert_close(found: Photograph, light: np.ndarray) -> None:
    """Check the light to within two codes of base or map, which compression may change."""
    assert found.gain_map_fault == ""
    assert found.measured is not None
    measured = found.measured.light.astype(np.float64)
    np.testing.assert_allclose(measured, light, rtol=0.06, atol=0.02)
    assert np.median(stops_apart(measured, light)) < 0.03


@pytest.mark.parametrize("numbers", [{"iso": iso_numbers()}, {"xmp": hdrgm(OffsetHDR=1 / 32)}])
def test_a_jpeg_with_either_kind_of_metadata(read, numbers):
    found = read(gain_map_files.jpeg(base(), gains(), **numbers))
    assert_close(found, light_of(base(), gains()))
    assert found.measured.clipped.max() == 0


def test_iso_wins_over_hdrgm(read):
    found = read(gain_map_files.jpeg(base(), gains(), iso=iso_numbers(), xmp=hdrgm(GainMapMax=6.0)))
    assert_close(found, light_of(base(), gains()))


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_a_tone_mapped_item(read, kind):
    assert_close(read(heif(kind, base(), gains(), iso_numbers())), light_of(base(), gains()))


def test_three_channels_with_their_own_numbers(read):
    low, high, gamma = (-1.0, 0.0, 0.5), (3.0, 2.0, 1.0), (1.0, 2.0, 0.5)
    data = gain_map_files.jpeg(base(), gains(channels=3), iso=iso_numbers(low, high, gamma))
    wanted = light_of(base(), gains(channels=3), np.array(low), high, gamma)
    assert_close(read(data), wanted)
    lists = "".join(
        f"<hdrgm:{name}><rdf:Seq>{''.join(f'<rdf:li>{v}</rdf:li>' for v in values)}</rdf:Seq>"
        f"</hdrgm:{name}>"
        for name, values in (("GainMapMin", low), ("GainMapMax", high), ("Gamma", gamma))
    )
    xmp = hdrgm(lists, GainMapMax=None, OffsetHDR=1 / 32)
    assert gain_map.of_hdrgm(xmp) == gain_map.of_iso(iso_numbers(low, high, gamma))


@pytest.mark.parametrize("factor", [2, 4])
def test_smaller_maps_are_scaled_with_their_pixels_in_place(read, factor):
    small = gains(ROWS // factor, COLUMNS // factor)
    found = read(gain_map_files.jpeg(base(), small, iso=iso_numbers()))
    inner = np.s_[4:-4, 4:-4]  # The outermost samples are extended to the edges.
    apart = stops_apart(found.measured.light.astype(float), light_of(base(), gains()))
    assert np.percentile(apart[inner], 99) < 0.06


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_map_is_rotated_with_its_base(read, orientation):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read(gain_map_files.jpeg(base(), gains(), iso=iso_numbers(), exif=exif.tobytes()))
    assert_close(found, upright(light_of(base(), gains()), orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_items_are_rotated_whether_or_not_the_map_says_so(read, kind, told, orientation):
    turned = TURNED[orientation]
    own = turned if told else []
    data = heif(kind, base(), gains(), iso_numbers(), turned=turned, map_turned=own)
    assert_close(read(data), upright(light_of(base(), gains()), orientation))
    assert heif_gain_map.orientation_of(dict(turned)) == orientation


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_a_map_is_cropped_with_its_base(read, kind):
    aperture = struct.pack(">IIIIiIiI", 32, 1, 24, 1, 0, 1, -6, 1)  # From column 48, row 46.
    # HEIC encoders pad smaller images, and crop them by the same property.
    codes, gain = base(128, 128), gains(64, 64)
    turned = [(b"clap", aperture)]
    data = heif(kind, codes, gain, iso_numbers(), turned=turned, map_turned=[])
    assert_close(read(data), light_of(codes, gains(128, 128))[46:70, 48:80])


@pytest.mark.parametrize(
    ("m", "n", "stops"),
    [(0.5, 0.005, 1.7), (0.5, 0.02, 1.59898), (1.5, 0.005, 2.65), (1.5, 0.02, 2.29694),
     (0.5, 20.0, 0.0)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_apples_map_and_its_headroom(read, kind, m, n, stops):
    found = read(heif(kind, base(), gains(), apple=True, note=gain_map_files.apple_note(m, n)))
    share = srgb_decode(gains()[..., None] / 255.0)
    light = srgb_decode(base() / 255.0) * (1 + (2.0**stops - 1) * share)
    assert_close(found, light)
    assert found.camera == {}


def test_iso_metadata_win_over_apples_map(read):
    data = heif(
        "HEIF", base(), gains(), iso_numbers(), gain_map_files.apple_note(0.5, 0.005), apple=True
    )
    assert_close(read(data), light_of(base(), gains()))


def test_an_hdr_base_with_an_sdr_alternate(read):
    """The base is PQ; the photograph has the codes of the SDR rendition."""
    imagecodecs = pytest.importorskip("imagecodecs")
    light = light_of(base(), gains())
    codes = np.round(1023 * pq_encode(203.0 * light)).astype(np.uint16)
    coded = imagecodecs.avif_encode(
        codes, level=100, bitspersample=10, primaries=1, transfer=16, matrix=0
    )
    numbers = iso_numbers(
        headrooms=(3.0, 0.0), offsets=(gain_map_files.ALTERNATE_OFFSET, gain_map_files.BASE_OFFSET)
    )
    found = read(gain_map_files.heif("AVIF", base(), gains(), numbers, coded=coded))
    assert_close(found, light)
    assert np.abs(255 * found.code - base()).max() < 3.0
    with pytest.raises(ImageError, match="PQ"):
        read(gain_map_files.heif("AVIF", base(), gains(), numbers, coded=coded), gain_maps="ignore")
    with pytest.raises(ImageError, match="PQ"):
        read(coded)


def test_headroom_0_gives_the_base(read):
    found = read(
        gain_map_files.jpeg(base(), gains(), iso=iso_numbers(headrooms=(0.0, 0.0), offsets=(0, 0)))
    )
    assert_close(found, srgb_decode(base() / 255.0))
    assert found.measured.clipped.min() == 255


@pytest.mark.parametrize("primaries", [None, DISPLAY_P3])
def test_the_curve_and_the_primaries_are_those_of_the_base(read, primaries):
    profile: dict[str, Any] = (
        {} if primaries is None else {"icc_profile": matrix_profile(primaries)}
    )
    found = read(gain_map_files.jpeg(base(), gains(), iso=iso_numbers(), **profile))
    assert_close(found, light_of(base(), gains()))
    assert (found.chromaticities == DISPLAY_P3) == (primaries is not None)


def test_a_profiles_own_curve(read):
    imagecodecs = pytest.importorskip("imagecodecs")
    profile: dict[str, Any] = {"icc_profile": imagecodecs.cms_profile("adobergb")}
    found = read(gain_map_files.jpeg(base(), gains(), iso=iso_numbers(), **profile))
    linear = (base() / 255.0) ** 2.19921875
    light = (linear + gain_map_files.BASE_OFFSET) * 8.0 ** (gains()[..., None] / 255.0)
    assert_close(found, light - gain_map_files.ALTERNATE_OFFSET)


def test_gains_in_the_primaries_of_the_alternate_rendition(read):
    nclx = [(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80))]
    numbers = iso_numbers(base_primaries=False)
    found = read(gain_map_files.heif("AVIF", base(), gains(channels=3), numbers, alternate=nclx))
    linear = srgb_decode(base() / 255.0)
    wide = linear @ np.linalg.inv(linear_to_rec709(np.eye(3), REC2020))
    light = (wide + gain_map_files.BASE_OFFSET) * 8.0 ** (gains(channels=3) / 255.0)
    wanted = linear_to_rec709(light - gain_map_files.ALTERNATE_OFFSET, REC2020)
    np.testing.assert_allclose(found.measured.light.astype(float), wanted, atol=0.05, rtol=0.02)
    same = light_of(base(), gains(channels=3))
    assert np.abs(wanted - same).max() > 0.3  # The primaries matter.


def test_pixels_where_the_map_clips_are_marked(read):
    gain = gains()
    gain[:, :16] = 255
    found = read(gain_map_files.jpeg(base(), gain, iso=iso_numbers()))
    assert found.measured.clipped[:, :8].min() == 255
    assert found.measured.clipped[:, 24:].max() == 0


@pytest.mark.parametrize("multichannel", [True, False])
def test_light_agrees_with_libultrahdr_and_the_truth(read, multichannel):
    imagecodecs = pytest.importorskip("imagecodecs")
    down, right = np.mgrid[0:90, 0:140]
    planes = [right / 20 - 4, down / 15 - 4, (down + right) / 40 - 3]
    light = np.exp2(np.stack(planes if multichannel else planes[:1] * 3, axis=-1))
    pixels = np.concatenate([light, np.ones((90, 140, 1))], axis=-1).astype(np.float16)
    coded = imagecodecs.ultrahdr_encode(pixels, gamut=imagecodecs.ULTRAHDR.CG.BT_709, nits=203 * 8)
    assert coded[:2] == b"\xff\xd8"  # libultrahdr ends the process on empty input.
    theirs = imagecodecs.ultrahdr_decode(coded)[..., :3].astype(np.float64)
    found = read(bytes(coded))
    ours = linear_to_rec709(found.measured.light.astype(np.float32), found.chromaticities)
    assert np.median(stops_apart(ours, theirs)) < 0.02
    assert np.median(stops_apart(ours, light)) < 0.02


def cut(data: bytes) -> bytes:
    return data[:-300]


BAD = {
    "missing": gain_map_files.jpeg(base(), gains()),
    "finite": gain_map_files.jpeg(base(), gains(), xmp=hdrgm(GainMapMax="nan")),
    "number": gain_map_files.jpeg(base(), gains(), xmp=hdrgm(GainMapMax="much")),
    "lack": gain_map_files.jpeg(base(), gains(), xmp=hdrgm(GainMapMax=None)),
    "division": gain_map_files.jpeg(base(), gains(), iso=iso_numbers()[:-4] + bytes(4)),
    "cut short": gain_map_files.jpeg(base(), gains(), iso=iso_numbers()[:-8]),
    "version": gain_map_files.jpeg(base(), gains(), iso=b"\0\7" + iso_numbers()[2:]),
    "smallest": gain_map_files.jpeg(base(), gains(), iso=iso_numbers(low=(4.0,))),
    "range": gain_map_files.jpeg(base(), gains(), iso=iso_numbers(gamma=(0.0,))),
    "size": gain_map_files.jpeg(base(), gains(COLUMNS, ROWS), iso=iso_numbers()),
    "truncated": cut(gain_map_files.jpeg(base(), gains(), iso=iso_numbers())),
    "second picture": (
        gain_map_files.jpeg(base(), gains(), iso=iso_numbers())[:5000].split(b"\xff\xd9")[0]
        + b"\xff\xd9"
    ),
    "twice": gain_map_files.jpeg(base(12, 16), gains(48, 64), iso=iso_numbers()),
    "headroom": gain_map_files.heif("AVIF", base(), gains(), apple=True),
    "metadata": gain_map_files.heif("AVIF", base(), gains(), b""),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_map_leaves_an_ordinary_photograph_and_a_reason(read, why):
    found, plain = read(BAD[why]), read(BAD[why], gain_maps="ignore")
    assert why in found.gain_map_fault
    assert found.measured is None
    np.testing.assert_array_equal(found.code, plain.code)
    assert plain.gain_map_fault == ""
    with pytest.raises(ImageError, match=why):
        read(BAD[why], gain_maps="only")


def test_photographs_without_a_map_have_no_measured_light(read):
    from tests.readers.pictures import of_each_kind

    for data in of_each_kind().values():
        found = read(data)
        assert found.measured is None
        assert found.gain_map_fault == ""
    with pytest.raises(ImageError, match="gain map"):
        read(of_each_kind()["jpg"], gain_maps="only")


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory, data):
    ours = gain_map_files.jpeg(base(), gains(), iso=iso_numbers(), xmp=hdrgm())
    sound = data.draw(st.sampled_from([ours, AVIF]))
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    try:
        found = read_photograph(path)
    except ImageError:
        return
    if found.measured is not None:
        assert found.measured.light.shape == found.code.shape
        assert np.isfinite(found.measured.light).all()


AVIF = gain_map_files.heif(
    "AVIF", base(), gains(), iso_numbers(), gain_map_files.apple_note(1.0, 0.1), apple=True
)


@given(
    st.floats(-8, 0), st.floats(0, 8), st.floats(0.2, 5), st.booleans(),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
)  # fmt: skip
def test_the_exchanged_map_is_the_inverse(low, high, gamma, inverse, share):
    """From SDR to HDR by a map, and back by the map with base and alternate exchanged."""
    three = lambda value: (value,) * 3  # noqa: E731
    forth = gain_map.GainMap(
        three(low), three(high), three(gamma), three(0.01), three(0.02), 0.0, 2.0
    )
    back = gain_map.GainMap(
        three(low), three(high), three(gamma), three(0.02), three(0.01), 2.0, 0.0
    )
    shares = np.asarray(share, np.float32)
    sdr = np.array([0.0, 0.3, 1.0], np.float32)
    np.testing.assert_allclose(back.alternate(forth.alternate(sdr, shares), shares), sdr, atol=2e-3)
    assert back.is_inverse
    assert not forth.is_inverse


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e9])
def test_gain_maps_with_invalid_numbers_are_refused(bad):
    none = (0.0, 0.0, 0.0)
    with pytest.raises(GainMapError):
        gain_map.GainMap(none, (bad, bad, bad), (1.0, 1.0, 1.0), none, none, 0.0, 1.0)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("cropped", [False, True])
def test_the_depth_of_a_dark_pq_base_is_that_of_the_file(read, bits, cropped):
    """Codes of 12 bits that 10 bits hold too: the SDR rendition would be four times as large."""
    imagecodecs = pytest.importorskip("imagecodecs")
    light = 0.02 * light_of(base(), gains())
    codes = np.round((2**bits - 1) * pq_encode(203.0 * light))
    codes = np.minimum(codes, 1023).astype(np.uint16)
    light = pq_decode(codes / (2**bits - 1)) / 203.0
    coded = imagecodecs.avif_encode(
        codes, level=100, bitspersample=bits, primaries=1, transfer=16, matrix=0
    )
    numbers = iso_numbers(headrooms=(3.0, 0.0), offsets=(0, 0))
    shown = [(b"clap", struct.pack(">IIIIiIiI", 32, 1, 24, 1, 0, 1, 0, 1))] if cropped else []
    found = read(
        gain_map_files.heif(
            "AVIF", base(), gains(), numbers, coded=coded, turned=shown, map_turned=[]
        )
    )
    rows, columns = light.shape[:2]
    part = np.s_[rows // 2 - 12 : rows // 2 + 12, columns // 2 - 16 : columns // 2 + 16]
    np.testing.assert_allclose(found.measured.light, light[part] if cropped else light, rtol=1e-3)
