"""Build the page: static files that any web server serves.

python web/build.py [--out_dir web/dist]
python -m http.server --bind 127.0.0.1 --directory web/dist

Needs Node.js with npm and, where no .onnx files lie beside the weights, `pip install ".[export]"`.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.files import UserError, digest
from hdrcnn.tiles.onnx_graph import facts, name_of
from hdrcnn.weights import CAMERA_CURVE, JPEG, SHIPPED

HERE = ROOT / "web"
STATIC = ("index.html", "page.css")
RUNTIME = ("ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm")
"""Files of onnxruntime-web for WebAssembly and for WebGPU."""


def _run(*command: str) -> None:
    """Run a command in `web`. Raises UserError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
        raise UserError(f"{' '.join(command[:3])} failed: {' '.join(lines[-5:])}")


def _install(npm: str) -> None:
    """Install the packages of package-lock.json unless they are up to date."""
    listed, there = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not there.is_file() or there.stat().st_mtime < listed.stat().st_mtime:
        _run(npm, "ci", "--ignore-scripts")
        there.touch()


def _network(path: Path, out_dir: Path) -> None:
    """Put the .onnx file of a weights file into the folder: kept or copied if up to date, else
    exported.
    """
    out, wanted = out_dir / name_of(path.stem, "float32"), digest(path)
    for place in (out, path.with_name(out.name)):
        if place.is_file() and facts(place).get("sha256") == wanted:
            if place != out:
                shutil.copyfile(place, out)
            return
    from hdrcnn.export import onnx

    onnx.write(path, out)


def build(out_dir: Path) -> None:
    """Build the page in a folder. Raises UserError, OSError."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise UserError("Node.js with npm is missing; install it, version 20 or newer")
    _install(npm)
    out_dir.mkdir(parents=True, exist_ok=True)
    for old in (*out_dir.glob("*.js"), *out_dir.glob("*.LEGAL.txt")):
        old.unlink()
    _run(npm, "run", "bundle", "--", f"--outdir={out_dir.resolve()}")
    for name in STATIC:
        shutil.copyfile(HERE / "src" / name, out_dir / name)
    for name in RUNTIME:
        shutil.copyfile(HERE / "node_modules/onnxruntime-web/dist" / name, out_dir / name)
    for path in (SHIPPED, JPEG, CAMERA_CURVE):
        _network(path, out_dir)


def main() -> int:
    """Build the page as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(description="Build the page.")
    parser.add_argument("--out_dir", type=Path, default=HERE / "dist", help="default: web/dist")
    out_dir: Path = parser.parse_args().out_dir
    try:
        build(out_dir)
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in out_dir.iterdir() if path.is_file())
    print(f"{out_dir}: {size / 1e6:.0f} MB; serve this folder by any web server")
    return 0


if __name__ == "__main__":
    sys.exit(main())
