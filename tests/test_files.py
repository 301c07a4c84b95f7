"""Files are whole or not there, and what a killed run left is taken away."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hdrcnn.files import HOST, ImageError, finished_whole, remove_temporaries

ROOT = Path(__file__).resolve().parents[1]
WRITES = """
import os, pathlib, signal, sys
from hdrcnn.files import finished_whole
with finished_whole(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.b.exr"
    with finished_whole(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".exr"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_went_wrong_leaves_nothing_and_keeps_what_was(tmp_path, error):
    path = tmp_path / "a.exr"
    path.write_bytes(b"before")

    def fail():
        with finished_whole(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 200
    path = tmp_path / ("a" * (longest - 4) + ".exr")
    with finished_whole(path) as temporary:
        temporary.write_bytes(b"whole")
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*a\.exr: cannot be written: No space left"), \
            finished_whole(tmp_path / "a.exr"):  # fmt: skip
        raise OSError(28, "No space left on device")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_temporaries_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / "2019").mkdir()
    for place in (tmp_path, tmp_path / "2019"):
        command = [sys.executable, "-c", WRITES, str(place / "a.exr")]
        # Killed, so without the fixture that looks at the exit status.
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 2
    assert {path.name[0] for path in left} == {"."}
    assert sorted(remove_temporaries(tmp_path)) == sorted(left)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_not_stale_stays(tmp_path):
    others = [
        "a.exr",
        ".hidden.exr",
        ".a.exr.tmp.exr",
        f".a.exr.{HOST}-{os.getppid()}.tmp.exr",
        ".a.exr.another-host-999999999.tmp.exr",
        f"a.exr.{HOST}-999999999.tmp.exr",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"x")
    own = tmp_path / f".a.exr.{HOST}-{os.getpid()}.tmp.exr"
    own.write_bytes(b"of an earlier process with this number")
    assert remove_temporaries(tmp_path) == [own]
    assert {path.name for path in tmp_path.iterdir()} == set(others)
    assert remove_temporaries(tmp_path / "missing") == []
