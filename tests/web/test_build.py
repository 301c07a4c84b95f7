"""How the page is built."""

import shutil
import subprocess

import pytest

from tests.conftest import ROOT
from tests.web.page import build


def test_without_node_one_line_says_what_to_install(run_python, tmp_path):
    script = ROOT / "web" / "build.py"
    done = run_python(script, "--out_dir", "page", cwd=tmp_path, status=1, PATH=str(tmp_path))
    assert "Node.js" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "page").exists()


@pytest.mark.browser
def test_the_types_in_the_comments_are_correct():
    build()
    npm = shutil.which("npm") or ""
    command = [npm, "run", "check"]
    done = subprocess.run(command, cwd=ROOT / "web", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
