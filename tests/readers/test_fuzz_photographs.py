"""Ten thousand damaged files, decoded in a separate process without TensorFlow."""

import json

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_damaged_files_never_end_the_process(run_python, tmp_path):
    """Each gives an image or one line. A file that ends the process remains in the test's
    folder.
    """
    done = run_python(
        ROOT / "tests/readers/fuzz_photographs.py", "--folder", tmp_path, cwd=tmp_path
    )
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert not said["tensorflow"]
    assert said["megabytes"] < 1000
    outcomes = said["outcomes"]
    assert sum(sum(counts.values()) for counts in outcomes.values()) == 10_000
    assert all(counts["refused"] > 10 and counts["read"] for counts in outcomes.values()), outcomes
