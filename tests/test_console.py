"""Lines that libraries print, as on damaged OpenEXR files, are caught; other lines pass."""

import contextlib
import os
import re
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hdrcnn.console import lines_withheld
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_hdr
from hdrcnn.writers.exr import write_exr
from tests.readers.exr_files import RGB

PRINTED = re.compile("^noise")


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.exr"
    write_exr(path, np.tile(RGB, (4, 2, 1)))
    return path.read_bytes()


def test_damaged_openexr_files_print_nothing(tmp_path, sound, capfd):
    path = tmp_path / "a.exr"
    half = bytearray(sound)
    half[len(half) // 2 : len(half) // 2 + 9] = b"\xff" * 9
    for data in (sound[:-99], sound[: len(sound) // 2], sound[:400], sound[:330], bytes(half)):
        path.write_bytes(data)
        with pytest.raises(ImageError, match=r"^[^\n]*a\.exr: [^\n]*copy[^\n]*$"):
            read_hdr(path)
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_damage_gives_an_image_or_one_line(tmp_path_factory, sound, data):
    """Most of the damage is in the headers, which hold sizes, types and offsets."""
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        reach = data.draw(st.sampled_from([330, len(sound)]))
        damaged[data.draw(st.integers(4, reach - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(4, len(damaged))))
    path = tmp_path_factory.mktemp("damaged") / "a.exr"
    path.write_bytes(damaged[:end])
    try:
        image = read_hdr(path)
    except ImageError as error:
        assert re.fullmatch(r"[^\n]*a\.exr: [^\n]*", str(error))  # noqa: PT017
        return
    assert image.dtype == np.float32
    assert image.ndim == 3


def test_other_lines_are_still_written(capfd):
    with lines_withheld(PRINTED) as kept:
        os.write(2, b"noise 1\nwords\n")
        assert not kept
    assert kept == ["noise 1"]
    assert capfd.readouterr().err == "words\n"
    with lines_withheld(PRINTED) as kept:
        print("words\nnoise")
        print("no", end="")
        print("ise")
        print("text", end="")
    assert capfd.readouterr().out == "words\ntext"
    assert kept == ["noise", "noise"]


def test_lines_pass_if_the_block_fails(capfd):
    with contextlib.suppress(ZeroDivisionError), lines_withheld(PRINTED):
        os.write(2, b"words\n")
        raise ZeroDivisionError
    os.write(2, b"noise\n")
    assert capfd.readouterr().err == "words\nnoise\n"


def test_threads_take_turns(capfd):
    """Any number of threads leaves the descriptors as they were, and no thread loses a line of
    another.
    """

    def work(number: int) -> None:
        for _ in range(20):
            with lines_withheld(PRINTED):
                os.write(2, b"noise\n")
                time.sleep(0.0002)
            os.write(2, b"line %d\n" % number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = capfd.readouterr().err
    assert sorted(written.split("\n")) == sorted([f"line {n}" for n in range(4)] * 20 + [""])


CLOSED = """
import os, pathlib, re, sys
from hdrcnn.console import stderr_discarded, lines_withheld

closed = range(int(sys.argv[1]), 3)
for number in closed:
    os.close(number)
done = []
with stderr_discarded():
    done.append("discarded")
with lines_withheld(re.compile("noise")) as kept:
    if 2 not in closed:
        os.write(2, b"noise")
    done.append("withheld")
try:
    with stderr_discarded():
        raise ImportError
except ImportError:
    done.append("raised")
pathlib.Path("done").write_text(" ".join(done))
"""


@pytest.mark.parametrize("first", [0, 1, 2])
def test_closed_descriptors_stop_neither_block(run_python, tmp_path, first):
    """As in services and in programs without a console, which load networks by the library."""
    run_python("-c", CLOSED, str(first), cwd=tmp_path)
    assert (tmp_path / "done").read_text() == "discarded withheld raised"
