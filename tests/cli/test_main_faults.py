"""Messages are printable; closed streams and a missing temporary folder do no harm."""

import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, strategies as st

from hdrcnn.console import printable
from tests.conftest import ROOT

COMMAND = ROOT / "hdrcnn_predict.py"
REPORTS_A_FAULT = """
import sys
from hdrcnn.console import stderr_discarded, say; from hdrcnn.cli.main import run
def main():
    with stderr_discarded():
        pass
    say("a fault", sys.stderr)
    with open("result", "w") as file:
        assert file.fileno() > 2
    return 0
run(main)
"""


@given(st.text())
def test_printable_text_is_one_line_that_moves_no_cursor(text):
    shown = printable(text)
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs", "Zl", "Zp"}
    shown.encode()


@pytest.mark.parametrize("name", ["Ünï cødé 写真　夏.jpg", "a\u200d🏔️.jpg", "a b\\n.jpg"])
def test_names_of_any_language_are_shown_as_they_are(name):
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\nb", "a\\nb"), ("\u202egpj", "\\u202egpj"),
     ("\udcff", "\\udcff"), ("\x9b1m", "\\x9b1m")],
)  # fmt: skip
def test_control_characters_are_escaped(name, shown):
    assert printable(name) == shown


@pytest.mark.skipif(os.name == "nt", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", ["2>&-", "1>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_do_no_harm(tmp_path, closed):
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, REPORTS_A_FAULT]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert (tmp_path / "result").read_text() == ""


def test_a_missing_temporary_folder_does_no_harm(tmp_path, run_python):
    script = f"import tempfile\ntempfile.tempdir = 'nowhere'\n{REPORTS_A_FAULT}"
    assert run_python("-c", script, cwd=tmp_path).stderr == "a fault\n"


@pytest.mark.parametrize(
    "flag",
    ["--width=2000000000", "--height=99999999999999999999", "--tile_pixels=1000000000000000000",
     "--im_dir=", "--out_dir=", "--params=", "--log=", "--im_dir=a\x1bb", "--nits=nan",
     "--max_megapixels=inf"],
)  # fmt: skip
def test_invalid_values_get_one_line(tmp_path, run_python, flag):
    done = run_python(COMMAND, flag, cwd=tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert flag.partition("=")[0].strip("-") in line or "a\\x1bb" in line
    assert list(tmp_path.iterdir()) == []
