"""The wheel: its contents, and that it converts a photograph outside the source tree."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import imageio.v3 as iio
import pytest
from packaging.requirements import Requirement

from hdrcnn.readers.hdr import read_exr
from tests.conftest import ROOT

SOURCES = (
    "hdrcnn",
    "weights",
    "pyproject.toml",
    "setup.py",
    "requirements-base.txt",
    "README.md",
    "LICENSE",
)


def pip(*arguments, cwd):
    """Pip, offline."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Wheel built from a copy, so that the source tree stays unchanged."""
    copy, place = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy)
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", place, ".", cwd=copy)
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_contains_the_whole_package_and_the_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    files = [path for path in (ROOT / "hdrcnn").rglob("*.*") if path.suffix != ".pyc"]
    present = {path.relative_to(ROOT).as_posix() for path in files if path.is_file()}
    assert present - names == set(), "pyproject.toml lists packages and data by name"
    shipped = {f"hdrcnn/shipped/{path.name}" for path in (ROOT / "weights").glob("*.[no]*")}
    assert shipped <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"hdrcnn"}
    assert wheel.stat().st_size < 100e6
    stated = [line.removeprefix("Requires-Dist: ") for line in metadata.splitlines()
              if line.startswith("Requires-Dist: ") and "extra ==" not in line]  # fmt: skip
    assert set(map(_parts, stated)) == set(map(_parts, listed("requirements-base.txt")))
    for backend in ("tensorflow", "jax", "onnx"):
        assert f"Provides-Extra: {backend}" in metadata
    assert "Requires-Python: >=3.10" in metadata
    assert "Provides-Extra: heic" in metadata
    assert "Provides-Extra: raw" in metadata


def listed(name: str) -> list[str]:
    """Requirements listed in a file, without the lines that include another file."""
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if not line.startswith("-r")]


def test_extras_require_the_tested_versions(wheel):
    """A package of an extra has the bounds of the requirements files, if these name it too."""
    known = {
        Requirement(line).name: Requirement(line).specifier
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in listed(name)
    }
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(name).decode().splitlines()
    asked = [Requirement(line[15:]) for line in lines if line.startswith("Requires-Dist: ")]
    extra = [one for one in asked if one.marker is not None and "extra" in str(one.marker)]
    assert {"tensorflow", "onnxruntime", "jax"} <= {one.name for one in extra}
    for one in extra:
        assert known.get(one.name, one.specifier) == one.specifier, one.name


def _parts(requirement: str) -> tuple[str, str, str]:
    """Name, version bounds and marker; builders write the bounds in any order."""
    read = Requirement(requirement)
    return read.name.lower(), str(read.specifier), str(read.marker)


def test_it_converts_a_picture_from_another_folder(wheel, tmp_path, picture):
    """In a new virtual environment that borrows all other packages from this one."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=os.name != "nt")
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    variables = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    packages = Path(sysconfig.get_path("purelib", "venv", variables) if sys.version_info >= (3, 11)
                    else sysconfig.get_path("purelib", vars=variables))  # fmt: skip
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    pip("--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)

    (tmp_path / "photos").mkdir()
    iio.imwrite(tmp_path / "photos" / "p.png", picture)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert shutil.which("hdrcnn", path=str(scripts)) is not None
    command = shutil.which("hdrcnn-predict", path=str(scripts))
    assert command is not None
    done = subprocess.run(
        [command, "--im_dir", "photos", "--out_dir", "hdr"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_exr(tmp_path / "hdr" / "p.exr").max() > 1.0
    said = subprocess.run(
        [python, "-c", "from hdrcnn import weights; print(weights.SHIPPED)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(said.stdout.strip()) == packages / "hdrcnn" / "shipped" / "hdrcnn.npz"
