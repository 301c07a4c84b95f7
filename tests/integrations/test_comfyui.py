"""The nodes as ComfyUI loads and calls them, with stand-ins for ComfyUI and torch."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

import hdrcnn
from hdrcnn.colour.transfer import srgb_decode, to_display
from hdrcnn.files import ImageError, WeightsError
from hdrcnn.predict import backend, fusion
from hdrcnn.predict.bracket import Choices, prepared
from hdrcnn.readers.hdr import read_exr, read_radiance
from hdrcnn.writers import WRITERS
from tests.conftest import ROOT

pytest.importorskip("onnxruntime")
export = pytest.importorskip("hdrcnn.export.onnx")

PACK = ROOT / "integrations" / "comfyui"
ALONE = """
import importlib.util, os, sys
from types import SimpleNamespace
import numpy as np
for name in ("tensorflow", "keras", "jax", "tf2onnx", "torch", "scipy"):
    sys.modules[name] = None
pack, params, image, out = sys.argv[1:]
spec = importlib.util.spec_from_file_location("pack", f"{pack}/__init__.py")
module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
before = dict(os.environ)
node = module.NODE_CLASS_MAPPINGS["HdrcnnReconstruct"]()
sys.modules["torch"] = SimpleNamespace(from_numpy=lambda array: array)
class Tensor:
    detach = cpu = float = lambda self: self
    numpy = lambda self: np.load(image)
pictures = Tensor()
(hdr,) = node.reconstruct(pictures, camera_curve="srgb", params=params)
assert dict(os.environ) == before
np.save(out, hdr)
"""


class Tensor:
    """The part of torch.Tensor that the nodes may use. As in torch, numpy() fails for a tensor on a
    GPU, of bfloat16 or with a gradient; its array may share memory and must not be written to.
    """

    def __init__(
        self,
        values: np.ndarray,
        device: str = "cpu",
        requires_grad: bool = False,
        kind: str = "float32",
    ) -> None:
        self.values, self.device, self.shape = values, device, values.shape
        self.requires_grad, self.kind = requires_grad, kind

    def detach(self) -> "Tensor":
        return Tensor(self.values, self.device, False, self.kind)

    def cpu(self) -> "Tensor":
        return Tensor(self.values, "cpu", self.requires_grad, self.kind)

    def float(self) -> "Tensor":
        return Tensor(self.values, self.device, self.requires_grad)

    def numpy(self) -> np.ndarray:
        if self.device != "cpu":
            raise TypeError(f"can't convert {self.device} device type tensor to numpy")
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.kind == "bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        shared = self.values.view()
        shared.flags.writeable = False
        return shared


def from_numpy(values: np.ndarray) -> Tensor:
    """Like torch.from_numpy, which accepts only arrays."""
    if not isinstance(values, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(values).__name__})")
    return Tensor(values)


def given(*pictures: np.ndarray, device: str = "cuda") -> Tensor:
    """An IMAGE made of uint8 arrays [H, W, C], as Load Image returns it."""
    return Tensor(np.stack(pictures).astype(np.float32) / np.float32(255.0), device)


def output_folder(folder: Path) -> ModuleType:
    """The part of ComfyUI's module `folder_paths` that the nodes use."""

    def get_save_image_path(prefix, output, width=0, height=0):
        prefix = prefix.replace("%width%", str(width)).replace("%height%", str(height))
        below, _, name = prefix.rpartition("/")
        place = Path(output, below)
        place.mkdir(parents=True, exist_ok=True)
        found = [re.match(rf"{re.escape(name)}_(\d+)_", file.name) for file in place.iterdir()]
        numbers = [int(match[1]) for match in found if match]
        return str(place), name, max(numbers, default=0) + 1, below, prefix

    module = ModuleType("folder_paths")
    vars(module).update(
        get_output_directory=lambda: str(folder), get_save_image_path=get_save_image_path
    )
    return module


@pytest.fixture(scope="module")
def pack():
    """The node pack, loaded from its path as ComfyUI does."""
    spec = importlib.util.spec_from_file_location("comfyui_pack", PACK / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["comfyui_pack"] = module
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.startswith("comfyui_pack")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def comfyui(monkeypatch, tmp_path):
    """Replace ComfyUI's modules; files go to `tmp_path / "output"`. Return the steps of the
    progress bar.
    """
    steps: list[int] = []
    bar = SimpleNamespace(update=steps.append)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(from_numpy=from_numpy))
    monkeypatch.setitem(sys.modules, "comfy", ModuleType("comfy"))
    utils = SimpleNamespace(ProgressBar=lambda total: bar)
    monkeypatch.setitem(sys.modules, "comfy.utils", utils)
    monkeypatch.setitem(sys.modules, "folder_paths", output_folder(tmp_path / "output"))
    return steps


@pytest.fixture(scope="module")
def params(tiny_weights, tmp_path_factory):
    """Tiny weights with their ONNX file beside them."""
    path = tmp_path_factory.mktemp("onnx") / "tiny.npz"
    shutil.copy(tiny_weights, path)
    export.write(path, path.with_suffix(".onnx"))
    return path


def node(pack, name):
    return pack.NODE_CLASS_MAPPINGS[name]()


@pytest.mark.parametrize("name", ["Reconstruct", "Fuse", "WriteHdr", "PreviewAtExposure"])
def test_a_node_has_the_interface_that_comfyui_expects(pack, name):
    kind = pack.NODE_CLASS_MAPPINGS[f"Hdrcnn{name}"]
    assert pack.NODE_DISPLAY_NAME_MAPPINGS.keys() == pack.NODE_CLASS_MAPPINGS.keys()
    assert isinstance(kind.RETURN_TYPES, tuple)
    assert bool(kind.RETURN_TYPES) != getattr(kind, "OUTPUT_NODE", False)
    assert isinstance(kind.CATEGORY, str)
    inputs: dict[str, Any] = {}
    for section in kind.INPUT_TYPES().values():
        inputs |= section
    call = getattr(kind, kind.FUNCTION)
    assert set(call.__code__.co_varnames[1 : call.__code__.co_argcount]) == set(inputs)
    for which, (of, told) in inputs.items():
        assert of in ("IMAGE", "MASK", "STRING", "FLOAT", "INT", "BOOLEAN") or isinstance(
            of, list
        ), which
        assert told["tooltip"]
        assert "default" in told or of in ("IMAGE", "MASK")
        assert not isinstance(of, list) or told["default"] in of


def test_light_is_that_of_the_library(pack, comfyui, params, picture, tmp_path):
    pictures = picture, picture[::-1]
    (hdr,) = node(pack, "HdrcnnReconstruct").reconstruct(given(*pictures), params=str(params))
    assert hdr.values.shape == (2, *picture.shape)
    assert hdr.values.dtype == np.float32
    assert comfyui == [1, 1]
    for light, shown in zip(hdr.values, pictures, strict=True):
        Image.fromarray(shown).save(tmp_path / "p.png")
        expected = hdrcnn.reconstruct(tmp_path / "p.png", params, precision="float32")
        assert light.max() > 1.0
        stops = np.log2(np.maximum(light, 1e-3)) - np.log2(np.maximum(expected, 1e-3))
        assert np.abs(stops).max() < 0.01


def test_options_are_those_of_the_library(pack, params, picture):
    how: dict[str, Any] = {
        "gamma": 1.2,
        "camera_curve": "square",
        "resolution": "native",
        "panorama": True,
    }
    found = node(pack, "HdrcnnReconstruct").reconstruct(
        given(picture), params=str(params), max_stops=0.25, **how
    )[0].values[0]  # fmt: skip
    predictor = hdrcnn.load(params, precision="float32")
    expected = predictor.reconstruct(picture, **how)
    inside = expected.max(axis=-1) < 2**0.24
    assert 0 < inside.sum() < inside.size
    np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-3, atol=1e-4)
    assert found.max() == pytest.approx(2**0.25)


def test_nothing_heavy_is_loaded_and_the_environment_stays_unchanged(
    params, picture, tmp_path, run_python
):
    np.save(tmp_path / "image.npy", given(picture).values)
    arguments = (PACK, params, tmp_path / "image.npy", tmp_path / "hdr.npy")
    run_python("-c", ALONE, *arguments, cwd=tmp_path, HDRCNN_BACKEND="tensorflow")
    predictor = hdrcnn.load(params, precision="float32")
    expected = predictor.reconstruct(picture, camera_curve="srgb")
    np.testing.assert_allclose(np.load(tmp_path / "hdr.npy")[0], expected, rtol=2e-3, atol=1e-4)


def test_alpha_grey_and_values_above_1_are_accepted(pack, params, picture):
    reconstruct = node(pack, "HdrcnnReconstruct").reconstruct
    transparent = np.concatenate([picture, picture[..., :1]], axis=-1)
    (plain,), (with_alpha,) = (
        reconstruct(given(shown), params=str(params)) for shown in (picture, transparent)
    )
    np.testing.assert_array_equal(plain.values, with_alpha.values)
    sharpened = given(picture)
    sharpened.values[sharpened.values == 1.0] = 1.07
    (held,) = reconstruct(sharpened, params=str(params))
    np.testing.assert_array_equal(held.values, plain.values)
    (grey,) = reconstruct(given(picture[..., :1]), params=str(params))
    assert grey.values.shape == plain.values.shape


@pytest.mark.parametrize(
    "kind", [{"device": "cuda"}, {"requires_grad": True}, {"kind": "bfloat16"}]
)
def test_tensors_of_any_kind_are_accepted(pack, picture, kind):
    preview = node(pack, "HdrcnnPreviewAtExposure").preview
    values = given(picture).values
    (plain,) = preview(Tensor(values), 0.0)
    np.testing.assert_array_equal(preview(Tensor(values, **kind), 0.0)[0].values, plain.values)


NO_ALPHA = Tensor(np.zeros((1, 64, 64), np.float32), "cuda")
"""Mask that Load Image returns for an image without alpha, whatever its size."""


def test_masked_pixels_do_not_count_for_the_clipping_level(pack, params):
    """A transparent plateau at 240 is no clipping level."""
    rng = np.random.default_rng(3)
    plateau = rng.integers(0, 200, (64, 96, 3), np.uint8)
    plateau[10:50, 10:60] = 240
    mask = np.zeros((1, 64, 96), np.float32)
    mask[:, 8:52, 8:62] = 1.0
    reconstruct = node(pack, "HdrcnnReconstruct").reconstruct
    images, seen = given(plateau, plateau), np.s_[:, 55:]
    plain, hidden, none, single = (
        reconstruct(images, params=str(params), mask=of)[0].values[seen]
        for of in (None, Tensor(mask, "cuda"), NO_ALPHA, Tensor(mask[0]))
    )
    np.testing.assert_array_equal(none, plain)
    np.testing.assert_array_equal(hidden, single)
    assert (plain > hidden)[hidden > 0].all()
    (by_channel,) = reconstruct(
        given(*[np.concatenate([plateau, np.uint8(255 - 255 * mask[0, ..., None])], -1)] * 2),
        params=str(params),
    )
    np.testing.assert_array_equal(by_channel.values[seen], hidden)


def test_a_mask_is_written_as_alpha(pack, tmp_path):
    light = np.full((2, 5, 7, 3), 2.0, np.float32)
    mask = np.linspace(0, 1, 70, dtype=np.float32).reshape(2, 5, 7)
    write = node(pack, "HdrcnnWriteHdr").write
    write(Tensor(light, "cuda"), "exr", "masked", mask=Tensor(mask, "cuda"))
    write(Tensor(light), "exr", "opaque", mask=NO_ALPHA)
    for number in (1, 2):
        with OpenEXR.File(str(tmp_path / "output" / f"masked_0000{number}_.exr")) as file:
            pixels = file.channels()["RGBA"].pixels
        np.testing.assert_allclose(pixels[..., 3], 1.0 - mask[number - 1], atol=1e-3)
        np.testing.assert_allclose(pixels[..., 0], 2.0 * (1.0 - mask[number - 1]), atol=1e-3)
    with OpenEXR.File(str(tmp_path / "output" / "opaque_00001_.exr")) as file:
        assert "RGBA" not in file.channels()
    with pytest.raises(ValueError, match=r"^mask: .*\(3, 5, 7\)"):
        write(Tensor(light), "exr", "wrong", mask=Tensor(np.ones((3, 5, 7), np.float32)))


def test_a_film_clips_where_its_first_frame_does(pack, params):
    """The first frame clips at a plateau of 240; the second has none and is scaled alike."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 200, (64, 96, 3), np.uint8)
    first[10:50, 10:60] = 240
    second = rng.integers(0, 200, (64, 96, 3), np.uint8)
    reconstruct = node(pack, "HdrcnnReconstruct").reconstruct
    film, alone = (
        reconstruct(given(first, second), weights=kind, params=str(params))[0].values
        for kind in ("film", "clean")
    )
    np.testing.assert_array_equal(film[0], alone[0])
    curve = hdrcnn.load(params).metadata.linearisation
    assert curve == "mean_curve"
    assert (film[1] > alone[1])[second > 0].all()


def test_brackets_are_fused_as_by_the_library(pack, comfyui, monkeypatch, tmp_path):
    networks = {}
    for name, path in fusion.NETWORKS.items():
        networks[name] = tmp_path / path.name
        shutil.copy(path, networks[name])
        export.write(networks[name], networks[name].with_suffix(".onnx"))
    monkeypatch.setattr(fusion, "NETWORKS", networks)
    rng = np.random.default_rng(4)
    scene = np.kron(rng.random((16, 24, 3)) ** 2, np.ones((8, 8, 1)))
    frames = [
        np.round(255 * np.clip(scene * gain, 0, 1) ** (1 / 2.2)).astype(np.uint8)
        for gain in (0.25, 1.0, 4.0)
    ]
    for method in ("unsupervised", "mertens"):
        fusion._of_network.cache_clear()
        (fused,) = node(pack, "HdrcnnFuse").fuse(given(*frames, *frames), method=method, per=3)
        fusion._of_network.cache_clear()
        bracket = prepared([frame.copy() for frame in frames], Choices())
        expected = fusion.fuse(bracket.frames, fusion.load_method(method)) / 65535.0
        assert fused.values.shape == (2, *frames[0].shape)
        np.testing.assert_allclose(fused.values[0], expected, atol=2e-3)
        # Threads add up in any order, which changes rounding; a 16-bit step is 1 / 65535.
        np.testing.assert_allclose(fused.values[0], fused.values[1], rtol=0, atol=2.5 / 65535)
    assert comfyui == [1, 1] * 2
    fusion._of_network.cache_clear()


def test_ghosts_are_removed_on_request(pack):
    rng = np.random.default_rng(6)
    scene = np.kron(rng.random((24, 32, 3)) * 0.6 + 0.2, np.ones((8, 8, 1)))
    moved = scene.copy()
    moved[60:110, 90:160] = 0.95
    frames = [
        np.round(255 * np.clip(values * gain, 0, 1)).astype(np.uint8)
        for values, gain in ((scene, 0.5), (scene, 1.0), (moved, 0.8))
    ]
    found = []
    for deghost in (False, True):
        (fused,) = node(pack, "HdrcnnFuse").fuse(given(*frames), "mertens", deghost, align=False)
        bracket = prepared([frame.copy() for frame in frames], Choices(False, deghost))
        expected = fusion.fuse(bracket.frames, fusion.MERTENS) / 65535.0
        np.testing.assert_allclose(fused.values[0], expected, atol=1e-4)
        found.append(fused.values[0])
    assert np.abs(found[0] - found[1])[60:110, 90:160].mean() > 0.02


def test_names_with_the_batch_number_overwrite_no_file(pack, tmp_path):
    write = node(pack, "HdrcnnWriteHdr").write
    for _ in range(2):
        write(Tensor(np.ones((2, 8, 8, 3), np.float32), "cpu"), "hdr", "b%batch_num%")
    names = sorted(file.name for file in (tmp_path / "output").iterdir())
    assert len(names) == 4
    assert {name[:2] for name in names} == {"b0", "b1"}


@pytest.mark.parametrize("kind", WRITERS)
def test_files_are_numbered_as_save_image_does(pack, comfyui, picture, tmp_path, kind):
    package = WRITERS[kind].package
    if package is not None:
        pytest.importorskip(package)
    light = np.asarray(srgb_decode(picture / 255.0), np.float32) * np.float32(4.0)
    write = node(pack, "HdrcnnWriteHdr").write
    said = [
        write(Tensor(np.stack([light, light]), "cuda"), kind, "shots/%width%")["ui"]
        for _ in range(2)
    ]
    ending = WRITERS[kind].ending.removeprefix("_")
    names = [f"70_{number:05}_{ending}" for number in (1, 2, 3, 4)]
    assert sorted(file.name for file in (tmp_path / "output" / "shots").iterdir()) == names
    assert comfyui == [1] * 4
    if kind in ("exr", "hdr", "jxl"):
        assert [Path(text).name for ui in said for text in ui["text"]] == names
    else:
        shown = [image for ui in said for image in ui["images"]]
        assert [image["filename"] for image in shown] == names
        assert {(image["subfolder"], image["type"]) for image in shown} == {("shots", "output")}
    if kind in ("exr", "hdr"):
        reader = read_exr if kind == "exr" else read_radiance
        found = reader(tmp_path / "output" / "shots" / names[0])
        np.testing.assert_allclose(found, light, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("stops", [-3.0, 0.0, 2.5])
def test_a_preview_shows_the_light_at_the_given_exposure(pack, stops):
    light = np.geomspace(1e-4, 64.0, 6 * 8 * 3, dtype=np.float32).reshape(1, 6, 8, 3)
    light[0, 0, 0] = -0.5
    (shown,) = node(pack, "HdrcnnPreviewAtExposure").preview(Tensor(light, "cuda"), stops)
    assert shown.values.dtype == np.float32
    assert shown.values.min() == 0.0
    assert shown.values.max() == pytest.approx(1.0)
    expected = to_display(light[0], stops)
    np.testing.assert_array_equal(np.round(shown.values[0] * 255.0).astype(np.uint8), expected)


def test_errors_are_one_line(pack, picture, params, tmp_path):
    reconstruct = node(pack, "HdrcnnReconstruct").reconstruct
    shutil.copy(params, tmp_path / "bare.npz")
    faults = [
        (WeightsError, "hdrcnn export", lambda: reconstruct(
            given(picture), params=str(tmp_path / "bare.npz"))),
        (WeightsError, "none.npz", lambda: reconstruct(given(picture), params="none.npz")),
        (ValueError, "image", lambda: reconstruct(Tensor(np.zeros((4, 4, 3), np.float32)))),
        (ValueError, "image", lambda: reconstruct(Tensor(np.zeros((1, 4, 4, 2), np.float32)))),
        (ValueError, "finite", lambda: node(pack, "HdrcnnWriteHdr").write(
            Tensor(np.full((1, 4, 4, 3), np.nan, np.float32)))),
        (ValueError, "brackets of 2", lambda: node(pack, "HdrcnnFuse").fuse(
            given(picture, picture, picture), per=2)),
        (ValueError, "1 frames", lambda: node(pack, "HdrcnnFuse").fuse(
            given(picture), "mertens")),
    ]  # fmt: skip
    for kind, word, call in faults:
        with pytest.raises(kind, match=word) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_without_onnxruntime_it_says_what_to_install(pack, params, picture, monkeypatch):
    installed = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "onnx" in name else installed(name)
    )
    with pytest.raises(backend.BackendError, match=r"hdrcnn\[onnx\]"):
        node(pack, "HdrcnnReconstruct").reconstruct(given(picture), params=str(params))


def test_without_the_toolkit_it_says_what_to_install(tmp_path, run_python):
    """As in a ComfyUI whose Python has no hdrcnn."""
    load = (
        "import importlib.util, sys\n"
        "installed = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n: None if n == 'hdrcnn' else installed(n)\n"
        "spec = importlib.util.spec_from_file_location('pack', sys.argv[1])\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
    )
    done = run_python("-c", load, PACK / "__init__.py", cwd=tmp_path, status=1)
    assert "pip install" in done.stderr.splitlines()[-1]


def test_the_shipped_weights_are_the_default(pack, picture):
    """Without `params` the node takes those of the toolkit."""
    (hdr,) = node(pack, "HdrcnnReconstruct").reconstruct(given(picture))
    assert hdr.values.max() > 1.0


def test_unknown_formats_are_one_line(pack):
    with pytest.raises(ImageError, match="gif"):
        node(pack, "HdrcnnWriteHdr").write(Tensor(np.ones((1, 4, 4, 3), np.float32)), "gif")
