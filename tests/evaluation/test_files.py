"""Files of results."""

import csv

import pytest

from hdrcnn.files import ImageError
from training_code.evaluation import files


def test_results_are_utf8_and_their_lines_end_as_given(tmp_path):
    files.write_text(tmp_path / "a.md", "ΔE\n")
    assert (tmp_path / "a.md").read_bytes() == "ΔE\n".encode()
    files.write_csv(tmp_path / "a.csv", ["scene", "ΔE"], [("a, b", 1.5), ("c", "")])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["scene", "ΔE"], ["a, b", "1.5"], ["c", ""]]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    files.write_text(tmp_path / "a.csv", "old")

    def rows():
        yield ("1",)
        raise ImageError("no more")

    with pytest.raises(ImageError, match="no more"):
        files.write_csv(tmp_path / "a.csv", ["number"], rows())
    assert (tmp_path / "a.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
