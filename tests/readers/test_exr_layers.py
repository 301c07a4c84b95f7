"""Which part and layer of an OpenEXR file is the image."""

import itertools

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, strategies as st

from hdrcnn.files import ImageError
from hdrcnn.readers.exr_layers import image
from hdrcnn.readers.hdr import read_exr, read_hdr
from tests.readers.exr_files import RGB, SCANLINES, planes, write

IMAGES = ["beauty", "rgba", "RGBA", "combined", "Combined", "image", "rgb", "color", "C", "main",
          "beauty.left", "ViewLayer.Combined", "Normal.Combined", "denoised_beauty"]  # fmt: skip
NO_COLOURS = ["normal", "Normal", "N", "WorldNormals", "normal.rgb", "depth", "Z", "zDepth", "P",
              "position", "UV", "motionVector", "cryptomatte00", "CryptoObject", "mask", "IndexOB",
              "beauty_variance", "objectId", "ViewLayer.Denoising Normal"]  # fmt: skip
COMPONENTS = ["albedo", "DiffCol", "specular_direct", "AO", "Emit", "diffuse.rgb"]


def several(path, names, images) -> None:
    """A file of many parts, each with plain R, G and B."""
    made = [
        OpenEXR.Part(SCANLINES | {"name": name}, {"RGB": pixels})
        for name, pixels in zip(names, images, strict=True)
    ]
    with OpenEXR.File(made) as file:
        file.write(str(path))


@pytest.mark.parametrize("wanted", IMAGES)
def test_the_image_is_found_wherever_it_is(tmp_path, wanted):
    """As a part of its own, and as a layer: first, last, or between others."""
    others = {name: RGB * (3 + i) for i, name in enumerate(NO_COLOURS[::4] + COMPONENTS[:2])}
    for place in (0, 2, len(others)):
        names = [*others]
        names.insert(place, wanted)
        images = [others.get(name, RGB) for name in names]
        several(tmp_path / "a.exr", names, images)
        np.testing.assert_array_equal(read_hdr(tmp_path / "a.exr"), RGB)
    channels: dict = {}
    for name, pixels in others.items():
        channels |= planes(f"{name}.", pixels)
    np.testing.assert_array_equal(
        read_exr(write(tmp_path / "b.exr", channels | planes(f"{wanted}."))), RGB
    )


@pytest.mark.parametrize("other", NO_COLOURS + COMPONENTS)
def test_a_layer_of_unknown_name_is_preferred_to_data_and_components(other):
    bare = ["B", "G", "R"]
    for names in itertools.permutations([other, "shot010"]):
        chosen = image({i: (name, bare) for i, name in enumerate(names)}, alone=False)
        assert chosen is not None
        assert chosen.name == "shot010"
    layers = [f"{layer}.{colour}" for layer in (other, "shot010") for colour in "RGB"]
    chosen = image({0: ("", layers)}, alone=True)
    assert chosen is not None
    assert chosen.channels == ("shot010.R", "shot010.G", "shot010.B")


@given(st.permutations(["albedo", "N", "left", "beauty", "beauty_key", "Z"]))
def test_the_order_of_the_parts_does_not_matter(names):
    chosen = image({i: (name, ["R", "G", "B"]) for i, name in enumerate(names)}, alone=False)
    assert chosen is not None
    assert chosen.name == "beauty"


@pytest.mark.parametrize("name", NO_COLOURS)
def test_layers_without_colours_are_refused_by_name(tmp_path, name):
    several(tmp_path / "a.exr", [name, "depth2"], [RGB, RGB])
    write(tmp_path / "b.exr", planes(f"{name}."))
    for file in ("a.exr", "b.exr"):
        with pytest.raises(ImageError) as caught:
            read_hdr(tmp_path / file)
        caught.match(rf"^[^\n]*{file}: [^\n]*colours[^\n]*{name}[^\n]*$")


def test_components_without_their_image_are_refused(tmp_path):
    several(tmp_path / "a.exr", ["diffuse", "specular"], [RGB, RGB])
    with pytest.raises(ImageError, match=r"a\.exr: [^\n]*diffuse, specular"):
        read_hdr(tmp_path / "a.exr")


def test_plain_colours_of_the_only_part_are_the_image_whatever_it_is_called(tmp_path):
    channels = planes() | planes("beauty.", RGB * 2) | planes("normal.", RGB * 3)
    np.testing.assert_array_equal(
        read_exr(write(tmp_path / "a.exr", channels, name="normal sky")), RGB
    )


@pytest.mark.parametrize("colours", [("red", "green", "blue"), ("r", "g", "b")])
def test_colour_channels_may_have_long_or_lower_case_names(tmp_path, colours):
    channels = {f"rgba.{name}": RGB[..., i].copy() for i, name in enumerate(colours)}
    np.testing.assert_array_equal(read_exr(write(tmp_path / "a.exr", channels)), RGB)


@given(
    st.dictionaries(
        st.integers(0, 5),
        st.tuples(st.text(max_size=9), st.lists(st.text("RGBAYZ.rgbx", max_size=5), max_size=9)),
    ),
    st.booleans(),
)
def test_any_names_give_channels_that_are_there_or_a_reason(parts, alone):
    try:
        chosen = image(parts, alone)
    except ValueError:
        return
    if chosen is not None:
        assert set(chosen.channels) <= set(parts[chosen.part][1])
