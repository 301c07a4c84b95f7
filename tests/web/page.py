"""Serve the built page and operate it from a probe page around it."""

import base64
import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.browser import run_probe
from tests.conftest import ROOT

PATIENCE = 900.0
"""Seconds for a probe: a network on one core, which may be shared."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

HELPERS = """
const wait = (time) => new Promise((done) => setTimeout(done, time));
const frame = document.getElementById("frame");
const page = () => frame.contentWindow.document;
const state = async (...names) => {
  while (!names.includes(page().body?.dataset.state)) await wait(20);
  return page().body.dataset.state;
};
async function file(name, type) {
  const bytes = await (await fetch(name)).arrayBuffer();
  return new File([bytes], name, { type });
}
async function drop(...files) {
  const moved = new DataTransfer();
  for (const one of files) moved.items.add(one);
  const how = { dataTransfer: moved, bubbles: true, cancelable: true };
  page().dispatchEvent(new frame.contentWindow.DragEvent("drop", how));
}
async function bytes(blob) {
  const whole = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < whole.length; at += 32768) {
    text += String.fromCharCode(...whole.subarray(at, at + 32768));
  }
  return btoa(text);
}
// The file that a click on a button saves: its name and bytes.
async function saved(format) {
  const view = frame.contentWindow, found = {};
  view.URL.createObjectURL = (blob) => { found.blob = blob; return "blob:"; };
  view.HTMLAnchorElement.prototype.click = function () { found.name = this.download; };
  page().querySelector(`[data-format=${format}]`).click();
  while (!found.name) await wait(20);
  return { name: found.name, data: await bytes(found.blob) };
}
const change = (node, value, kind) => {
  node.value = value;
  node.dispatchEvent(new frame.contentWindow.Event(kind, { bubbles: true }));
};
const text = (id) => page().getElementById(id).textContent;
"""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; yield its address and the list of requests to it, such as "GET /path"."""
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            requests.append(f"{self.command} {self.path}")

        def log_error(self, *_: object) -> None: ...

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
        server.shutdown()


def build() -> Path:
    """Build the page as the README says and return its folder."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: the page cannot be built")
    command = [sys.executable, str(ROOT / "web" / "build.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / "web" / "dist"


def run_on_page(
    dist: Path,
    folder: Path,
    measure: str,
    files: Mapping[str, Path | bytes] | None = None,
    width: int = 1000,
    flags: tuple[str, ...] = (),
) -> tuple[Any, list[str]]:
    """Run `measure`, the body of an async function, on the probe page; return its result and the
    requests to the server.

    files: served beside the page, by name. The page is in an iframe `frame` of the given width.
    """
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip(f"none of {', '.join(BROWSERS)}: the page cannot be opened")
    folder.mkdir(exist_ok=True)
    (folder / "page").symlink_to(dist, target_is_directory=True)
    for name, contents in (files or {}).items():
        data = contents if isinstance(contents, bytes) else contents.read_bytes()
        (folder / name).write_bytes(data)
    probe = f"""<!doctype html><body style="margin:0">
<iframe id="frame" style="border:0;width:{width}px;height:844px" src="page/"></iframe>
<script>{HELPERS}
async function measure() {{ {measure} }}
</script>"""
    with served(folder) as (address, requests):
        found = run_probe(probe, folder, width, address=address, flags=flags, patience=PATIENCE)
    return json.loads(json.dumps(found)), requests


def decoded(file: dict[str, str], folder: Path) -> Path:
    """Write what `saved` returned to a file of its name."""
    path = folder / file["name"]
    path.write_bytes(base64.b64decode(file["data"]))
    return path
