"""Ctrl-C at the worst moments: the command always stops, with one line and status 130."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
HEAD = """
import signal
from hdrcnn.console import stderr_discarded; from hdrcnn.cli.main import run
def press():
    signal.raise_signal(signal.SIGINT)
def swallowed():
    try:
        press()
    except BaseException:  # As libraries do.
        print("came in between")
"""


def stopped(script, cwd, status=130, before=""):
    """Run a script in a process that does not ignore Ctrl-C; return its standard output."""
    default = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = subprocess.run(
        [sys.executable, "-c", default + before + HEAD + script],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("stopped" in done.stderr) is bool(status)  # Libraries may have said something.
    assert "Traceback" not in done.stderr
    return done.stdout


def test_loading_finishes_before_the_command_stops(tmp_path):
    script = """
def main():
    with stderr_discarded():
        swallowed()
        print("loaded")
    print("went on")
    return 0
run(main)
"""
    assert stopped(script, tmp_path) == "loaded\n"


def test_an_interrupt_that_a_library_swallows_still_counts(tmp_path):
    script = "def main():\n    swallowed()\n    return 0\nrun(main)"
    assert stopped(script, tmp_path) == "came in between\n"


def test_an_error_caused_by_the_interrupt_is_not_reported(tmp_path):
    script = """
def main():
    swallowed()
    raise ValueError("half of a library")
run(main, ValueError)
"""
    assert stopped(script, tmp_path) == "came in between\n"


def test_an_interrupt_elsewhere_stops_at_once(tmp_path):
    script = "def main():\n    press()\n    print('went on')\nrun(main)"
    assert stopped(script, tmp_path) == ""


def test_an_ignored_interrupt_stays_ignored(tmp_path):
    """As in the background of a shell."""
    script = "def main():\n    press()\n    print('went on')\n    return 0\nrun(main)"
    ignore = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    assert stopped(script, tmp_path, status=0, before=ignore) == "went on\n"


@pytest.mark.parametrize("moment", ["load", "trace"])
def test_an_interrupt_while_the_network_is_loaded_or_traced(tmp_path, tiny_weights, moment):
    """No image is reported as done, and no result exists."""
    Image.new("RGB", (40, 30), "white").save(tmp_path / "p.png")
    place = {
        "load": "hdrcnn.predict.single_image, 'load'",
        "trace": "hdrcnn.tiles.keras_graph, '_traced'",
    }[moment]
    script = f"""
import runpy, sys
with stderr_discarded():
    import hdrcnn.predict.single_image, hdrcnn.tiles.keras_graph
real = getattr({place})
def pressed(*arguments, **settings):
    setattr({place}, real)  # Once: a second Ctrl-C ends the process at once.
    swallowed()
    return real(*arguments, **settings)
setattr({place}, pressed)
sys.argv = ["hdrcnn_predict.py", "--im_dir=p.png", "--params={tiny_weights}"]
runpy.run_path({str(ROOT / "hdrcnn_predict.py")!r}, run_name="__main__")
"""
    assert stopped(script, tmp_path) == ""
    assert list((tmp_path / "out").iterdir()) == []
