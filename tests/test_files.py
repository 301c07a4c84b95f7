"""Output files are complete or absent, and temporary files of a killed run are removed."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hdrcnn.files import (
    HOST,
    STALE,
    ImageError,
    OutputFolder,
    OutputLostError,
    finished_whole,
    missing_files,
    prepare_folder,
    remove_temporaries,
)

ROOT = Path(__file__).resolve().parents[1]
KILLED_WHILE_WRITING = """
import os, pathlib, signal, sys
from hdrcnn.files import finished_whole
with finished_whole(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_appears_once_it_is_complete(tmp_path):
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
def test_a_failed_write_leaves_no_file_and_keeps_the_previous_one(tmp_path, error):
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


def test_a_full_disk_is_reported_in_one_line(tmp_path):
    with pytest.raises(ImageError, match=r"^[^\n]*a\.exr: .*No space left"), \
            finished_whole(tmp_path / "a.exr"):  # fmt: skip
        raise OSError(28, "No space left on device")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_temporaries_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / "2019").mkdir()
    for place in (tmp_path, tmp_path / "2019"):
        command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(place / "a.exr")]
        # The process is killed, so the fixture that checks the exit status cannot be used.
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 2
    assert {path.name[0] for path in left} == {"."}
    assert sorted(remove_temporaries(tmp_path)) == sorted(left)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_temporaries_that_are_not_stale_stay(tmp_path):
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


def test_a_container_of_the_same_name_is_another_machine(tmp_path):
    """Its process numbers belong to other processes: a file that it wrote a moment ago stays, one
    from a week ago is removed.
    """
    name = HOST.rpartition("-")[0]
    fresh, old = (tmp_path / f".{n}.{name}-0123abcd-999999999.tmp.exr" for n in "ab")
    for path in (fresh, old):
        path.write_bytes(b"half")
    before = old.stat().st_mtime - STALE - 60
    os.utime(old, (before, before))
    assert remove_temporaries(tmp_path) == [old]
    assert fresh.exists()


def test_a_vanished_folder_is_not_recreated(tmp_path):
    folder = prepare_folder(tmp_path / "new" / "out")
    folder.make(folder.path / "a" / "b")
    folder.make(folder.path / "a" / "b")
    folder.make(folder.path)
    assert (tmp_path / "new" / "out" / "a" / "b").is_dir()
    shutil.rmtree(tmp_path / "new")
    for below in ("a", "."):
        with pytest.raises(OutputLostError, match=r"out: [^\n]* gone"):
            folder.make(folder.path / below)
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    folder = prepare_folder(tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        folder.make(tmp_path / "a" / "b")


def test_another_folder_at_the_same_path_is_recognised(tmp_path):
    """The folder left where a share was unmounted differs in device and inode; the same share
    mounted again differs in at most one. Another machine, which gets a pickled copy, does not
    compare them.
    """
    folder = prepare_folder(tmp_path)
    device, inode = folder.device, folder.inode
    assert device is not None
    assert inode is not None
    OutputFolder(tmp_path, device + 1, inode).check()
    OutputFolder(tmp_path, device, inode + 1).check()
    with pytest.raises(OutputLostError):
        OutputFolder(tmp_path, device + 1, inode + 1).check()
    pickle.loads(pickle.dumps(OutputFolder(tmp_path, device + 1, inode + 1))).check()


def test_missing_files_are_listed(tmp_path):
    (tmp_path / "there").touch()
    paths = [tmp_path / name for name in ("there", "gone", "nowhere/a")]
    assert missing_files(paths) == paths[1:]
