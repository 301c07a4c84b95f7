"""The page as a user operates it: drop a photograph, save files. Needs Chromium, Node.js."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

import hdrcnn
from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import DISPLAY_P3, REC709, linear_to_rec709
from hdrcnn.colour.transfer import to_display
from hdrcnn.predict.blend import mask
from hdrcnn.readers.hdr import read_exr
from hdrcnn.readers.metadata import Band
from hdrcnn.readers.photograph import read_photograph
from tests.conftest import ROOT
from tests.web.page import build, decoded, run_on_page

pytestmark = pytest.mark.browser

BLENDS = {True: "channel", False: "narrow"}
"""Blend of the shipped weights, by whether the photograph is lossy."""

CONVERT = """
const results = { start: await state("ready", "failed"), pictures: {} };
for (const name of names) {
  await drop(await file(name, ""));
  const one = results.pictures[name] = { state: await state("done", "failed") };
  Object.assign(one, { message: text("message"), figures: text("figures") });
  if (one.state !== "done") continue;
  one.files = [await saved("exr"), await saved("ultrahdr")];
}
return results;
"""

LAYOUT = """
const view = frame.contentWindow, at = (id) => page().getElementById(id);
const fits = () => {
  const { scrollWidth, clientWidth } = page().documentElement;
  return [view.innerWidth, scrollWidth, clientWidth];
};
await state("ready", "failed");
const found = { empty: fits(), hidden: at("card").hidden, pixels: {} };
await drop(await file("flat.png", "image/png"));
found.state = await state("done", "failed");
found.message = text("message");
found.full = fits();
const card = at("card"), canvas = at("canvas"), exposure = at("exposure");
found.box = [at("view").clientWidth, at("view").clientHeight];
const pixel = (share) => {
  const column = Math.floor(share * canvas.width), row = canvas.height >> 1;
  return [...canvas.getContext("2d").getImageData(column, row, 1, 1).data];
};
const drawn = async (stops) => { while (card.dataset.drawn !== stops) await wait(20); };
for (const stops of ["-4", "0", "1"]) {
  change(exposure, stops, "input");
  await drawn(stops);
  found.pixels[stops] = [pixel(0.25), pixel(0.75)];
}
for (const wipe of ["0", "100"]) {
  change(at("wipe"), wipe, "input");
  await wait(200);
  found["wiped" + wipe] = [pixel(0.25), pixel(0.75)];
}
found.light = await saved("exr");
for (const name of ["notes.txt", "cut.png"]) {
  await drop(await file(name, "image/png"));
  found[name] = [await state("failed", "done"), text("message"), card.hidden];
}
await drop();
found.nothing = text("message");
return found;
"""


def turned() -> bytes:
    """A Display P3 JPEG that its Exif data rotate, with a large and a small lamp."""
    y, x = np.mgrid[0:160, 0:224]
    light = np.clip(60 - np.hypot(x - 90, y - 70), 0, 9) * 30 + 3e3 / (
        9 + np.hypot(x - 200, y - 30)
    )
    rgb = np.clip(60 + light[..., None] * [1.0, 0.8, 0.5], 0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    profile = matrix_profile(DISPLAY_P3)
    Image.fromarray(rgb).save(file, "JPEG", quality=95, exif=exif, icc_profile=profile)
    return file.getvalue()


def wide() -> bytes:
    """A Display P3 PNG with colours outside sRGB, and a lamp."""
    y, x = np.mgrid[0:96, 0:128]
    lamp = np.clip(24 - np.hypot(y - 50, x - 60), 0, 9)[..., None] * 30
    rgb = np.stack([60 + x, 200 - y, 20 + (x + y) // 4], axis=-1) + lamp
    file = io.BytesIO()
    codes = np.clip(rgb, 0, 255).astype(np.uint8)
    Image.fromarray(codes).save(file, "PNG", icc_profile=matrix_profile(DISPLAY_P3))
    return file.getvalue()


def sphere() -> bytes:
    """A JPEG that its XMP data mark as a panorama, with a lamp across its left and right edges."""
    y, x = np.mgrid[0:128, 0:256]
    far = np.hypot(np.minimum(x, 256 - x) - 4, y - 60)
    rgb = 90 + 40 * np.sin(x * np.pi / 32)[..., None] + np.clip(40 - far, 0, 9)[..., None] * 30
    packet = " ".join(f'{name}="{value}"' for name, value in Band().xmp(128, 256).items())
    file = io.BytesIO()
    codes = np.clip(rgb * [1.0, 0.95, 0.8], 0, 255).astype(np.uint8)
    Image.fromarray(codes).save(file, "JPEG", quality=95, xmp=f"<r:D {packet}/>".encode())
    return file.getvalue()


def cutout() -> np.ndarray:
    """[120, 160, 4] uint8: a lamp of which one part is transparent and one half transparent. Wholly
    transparent pixels are black, as browsers return them.
    """
    with Image.open(ROOT / "data" / "coffee.png") as image:
        rgb = np.asarray(image.convert("RGB").crop((150, 100, 310, 220)))
    y, x = np.mgrid[0:120, 0:160]
    lamp = np.clip(30 - np.hypot(y - 60, x - 80), 0, 10)[..., None] * 30
    rgb = np.clip(rgb + lamp, 0, 255).astype(np.uint8)
    alpha = np.where(x < 70, 0, np.where(x < 85, 128, 255)).astype(np.uint8)
    return np.concatenate([rgb * (alpha > 0)[..., None], alpha[..., None]], axis=-1)


SETTINGS = """
await state("ready", "failed");
change(page().getElementById("curve"), "estimated", "change");
await drop(await file("cutout.png", "image/png"));
const found = { state: await state("done", "failed"), figures: text("figures") };
found.exr = await saved("exr");
page().getElementById("panorama").click();
await wait(50);
found.again = [await state("done", "failed"), text("figures")];
await drop(await file("deep.png", "image/png"));
found.deep = [await state("done", "failed"), text("figures")];
return found;
"""


@pytest.fixture(scope="module")
def dist() -> Path:
    return build()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("photographs")
    pictures = {"turned.jpg": turned, "sphere.jpg": sphere, "wide.png": wide}
    made = {name: folder / name for name in pictures}
    for name, path in made.items():
        path.write_bytes(pictures[name]())
    names = ("rocket.jpg", "night_market_q92.jpg", "white_court.png")
    return {**{name: ROOT / "data" / name for name in names}, **made}


@pytest.fixture(scope="module")
def converted(
    dist: Path, photographs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("converted")
    body = f"const names = {list(photographs)};{CONVERT}"
    found, requests = run_on_page(dist, folder / "served", body, dict(photographs))
    assert found["start"] == "ready"
    for name, one in found["pictures"].items():
        assert one["state"] == "done", one["message"]
        (folder / name).mkdir()
        one["exr"], one["jpeg"] = (decoded(file, folder / name) for file in one["files"])
    return {**found["pictures"], "requests": requests}


NAMES = (
    "rocket.jpg",
    "night_market_q92.jpg",
    "white_court.png",
    "turned.jpg",
    "sphere.jpg",
    "wide.png",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_exr_file_is_the_result_of_the_command(name, converted, photographs):
    path = photographs[name]
    photo = read_photograph(path)
    own = hdrcnn.reconstruct(path, precision="float32")
    expected = linear_to_rec709(own, photo.chromaticities)
    found = read_exr(converted[name]["exr"])
    assert converted[name]["exr"].name == f"{path.stem}.exr"
    share = mask(photo.code, BLENDS[photo.lossy])
    predicted = (share > 0).any(axis=-1)
    assert predicted.any()
    # After a change of primaries small samples are differences of large half floats.
    wide = photo.chromaticities != REC709
    floor = np.maximum(0.05 * wide * expected.max(axis=-1, keepdims=True), 1e-2)
    stops = np.log2(np.maximum(found, floor)) - np.log2(np.maximum(expected, floor))
    assert np.abs(stops[predicted]).max() < 0.05
    np.testing.assert_allclose(found[~predicted], expected[~predicted], atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_jpeg_file_is_the_photograph_with_the_same_light(name, converted, photographs):
    photo, saved = (read_photograph(p) for p in (photographs[name], converted[name]["jpeg"]))
    assert converted[name]["jpeg"].name == f"{photographs[name].stem}_hdr.jpg"
    assert not saved.gain_map_fault
    assert saved.measured is not None
    assert saved.chromaticities == photo.chromaticities
    shown = np.abs(np.round(255 * saved.code) - np.round(255 * photo.code))
    if name in ("rocket.jpg", "night_market_q92.jpg", "sphere.jpg"):  # Their own samples.
        assert not shown.any()
    assert shown.max() <= 6
    if name == "rocket.jpg":  # Displays decode it by the curve of Adobe RGB.
        return
    light = linear_to_rec709(saved.measured.light, saved.chromaticities)
    result = np.maximum(read_exr(converted[name]["exr"]), 0)
    stops = np.log2((np.maximum(light, 0) + 1 / 64) / (result + 1 / 64))
    assert np.sqrt((stops**2).mean()) < 0.05
    assert np.percentile(np.abs(stops), 99.9) < 0.25


def test_transparency_curve_and_panorama_are_those_of_the_command(dist, tmp_path):
    pictures = {"cutout.png": tmp_path / "cutout.png", "deep.png": tmp_path / "deep.png"}
    codes = cutout()
    Image.fromarray(codes).save(pictures["cutout.png"])
    Image.fromarray(codes[..., 0].astype(np.uint16) * 257).save(pictures["deep.png"])
    found, _ = run_on_page(dist, tmp_path / "served", SETTINGS, pictures)
    assert found["state"] == "done"
    assert "transparent" in found["figures"]
    assert "camera curve" in found["figures"]
    assert "panorama" not in found["figures"]
    with OpenEXR.File(str(decoded(found["exr"], tmp_path))) as file:
        pixels = np.asarray(file.channels()["RGBA"].pixels, np.float32)
    np.testing.assert_allclose(pixels[..., 3], codes[..., 3] / 255, atol=1e-3)
    assert not pixels[codes[..., 3] == 0].any()
    photo = read_photograph(pictures["cutout.png"])
    predictor = hdrcnn.load(precision="float32")
    expected = predictor.reconstruct(photo.code, alpha=photo.alpha, camera_curve="estimated")
    opaque = codes[..., 3] == 255
    assert expected[opaque].max() > 1.2
    stops = np.log2((pixels[opaque][:, :3] + 0.01) / (expected[opaque] + 0.01))
    assert np.abs(stops).max() < 0.05
    assert found["again"][0] == found["deep"][0] == "done"
    assert "sides meet" in found["again"][1]
    assert "16 bits" in found["deep"][1]


def test_a_panorama_has_no_seam(converted):
    light = read_exr(converted["sphere.jpg"]["exr"])
    assert "sides meet" in converted["sphere.jpg"]["figures"]
    assert light[60, 0].max() > 1.1
    seam = np.abs(np.log2(light[50:70, 0] / light[50:70, -1]))
    assert seam.max() < 0.3


def test_the_gain_is_shown(converted):
    assert "600" in converted["night_market_q92.jpg"]["figures"]
    assert "stops" in converted["night_market_q92.jpg"]["figures"]


def test_nothing_is_uploaded_and_all_comes_from_the_folder_of_the_page(converted, dist):
    there = {path.name for path in dist.iterdir()}
    for request in converted["requests"]:
        method, path = request.split(" ")
        assert method == "GET"
        folder, _, name = path.rpartition("/")
        assert folder in ("", "/page")
        assert name in there | {"", "probe.html", "favicon.ico"} | set(NAMES)


@pytest.fixture(scope="module", params=[390, 1400])
def looked_at(
    request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("looked_at")
    codes = np.full((64, 96, 3), 255, np.uint8)
    codes[:24], codes[:, 40:56] = 120, 60
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "PNG")
    files: dict[str, Path | bytes] = {
        "flat.png": file.getvalue(), "notes.txt": b"no picture", "cut.png": file.getvalue()[:60],
    }  # fmt: skip
    found, _ = run_on_page(dist, folder / "served", LAYOUT, files, width=request.param)
    found["light"] = read_exr(decoded(found["light"], folder))
    return {"width": request.param, "codes": codes, **found}


def test_the_page_is_not_wider_than_the_screen_and_keeps_the_aspect(looked_at):
    for inner, scrolled, client in (looked_at["empty"], looked_at["full"]):
        assert inner == looked_at["width"]
        assert scrolled <= client
    assert looked_at["hidden"]
    assert looked_at["state"] == "done"
    assert np.divide(*looked_at["box"]) == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize("stops", ["-4", "0", "1"])
def test_halves_are_photograph_and_result_at_the_exposure(looked_at, stops):
    places = looked_at["light"][32, [24, 72]]
    expected = to_display(np.stack([np.ones(3, np.float32), places[1]])[None], float(stops))[0]
    found = np.array(looked_at["pixels"][stops])[:, :3]
    assert np.abs(found - expected.astype(int)).max() <= 4
    if stops == "-4":
        assert (found[1] > found[0]).all()


def test_the_wipe_shows_one_or_the_other(looked_at):
    (left, right), before = looked_at["wiped100"], looked_at["pixels"]["1"][0]
    assert left == right == before
    assert looked_at["wiped0"][1] == looked_at["pixels"]["1"][1]


@pytest.mark.parametrize("name", ["notes.txt", "cut.png"])
def test_a_file_that_is_not_an_image_gives_one_line(looked_at, name):
    state, message, hidden = looked_at[name]
    assert state == "failed"
    assert message.startswith(f"{name}: ")
    assert "picture" in message
    assert hidden
    assert "file" in looked_at["nothing"]


def changed(dist: Path, folder: Path, contents: dict[str, str | None]) -> Path:
    """A copy of the page's folder in which some files have other contents, or are missing
    (None).
    """
    folder.mkdir()
    for path in dist.iterdir():
        text = contents.get(path.name, "")
        if path.name not in contents:
            (folder / path.name).symlink_to(path)
        elif text is not None:
            (folder / path.name).write_text(text, encoding="utf-8")
    return folder


def test_without_webassembly_one_line_says_so(dist, tmp_path):
    script = "delete globalThis.WebAssembly;" + (dist / "page.js").read_text(encoding="utf-8")
    without = changed(dist, tmp_path / "without", {"page.js": script})
    body = """const found = await state("failed", "ready");
    return [found, text("message"), page().getElementById("file").disabled]"""
    (state, message, disabled), requests = run_on_page(without, tmp_path / "served", body)
    assert (state, disabled) == ("failed", True)
    assert "WebAssembly" in message
    assert not any(".wasm" in request for request in requests)


def test_an_incomplete_copy_of_the_page_says_what_is_missing(dist, tmp_path):
    part = changed(dist, tmp_path / "part", {"hdrcnn.onnx": None})
    body = """await state("ready"); await drop(await file("white_court.png", ""));
    return [await state("failed", "done"), text("message")]"""
    files = {"white_court.png": ROOT / "data" / "white_court.png"}
    (state, message), _ = run_on_page(part, tmp_path / "served", body, files)
    assert state == "failed"
    assert "hdrcnn.onnx" in message


REPLACED = """
await state("ready", "failed");
const one = await file("flat.png", "image/png");
await drop(one);
const found = [await state("done", "failed")];
page().querySelector("[data-format=exr]").click();
await drop(one);
await wait(0);
found.push(page().getElementById("message").classList.contains("wrong"), text("message"));
return [...found, await state("done", "failed")];
"""


def test_a_photograph_dropped_while_a_file_is_written_is_no_fault_of_the_file(dist, tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.full((64, 96, 3), 120, np.uint8)).save(file, "PNG")
    found, _ = run_on_page(dist, tmp_path / "served", REPLACED, {"flat.png": file.getvalue()})
    assert found == ["done", False, "Writing flat.exr …", "done"]
