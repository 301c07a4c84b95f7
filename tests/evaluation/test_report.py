"""The report contains all of what it is given and nothing else."""

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hdrcnn.files import ImageError
from training_code.evaluation.report import RenderedView, ReportRow, write_report

HOSTILE = "</script><img src=x onerror=alert(1)> \"&amp;' $title ${views}"


def make_view(name: str = "view", gain_db: float = 1.0) -> RenderedView:
    """A view with arbitrary bytes in place of JPEG files, which the page does not decode."""
    jpegs = [bytes([value]) * 50 for value in range(10)]
    exposures = tuple((jpegs[row], jpegs[row + 1], jpegs[row + 2]) for row in (0, 3, 6))
    scores = {"input": {"psnr": 20.0, "ssim": -0.001}, "ours": {"psnr": 21.25, "peak": -1.0}}
    return RenderedView(name, gain_db, scores, 384, 256, exposures, jpegs[9])


class Page(HTMLParser):
    """Elements, attributes and text of a page, as an independent parser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def write(path: Path, views: list[RenderedView], word: str = "plain") -> str:
    row = ReportRow(word, {word: "1.00", "second": "2.00"}, "win")
    other = ReportRow("other", {"second": "4.00", "third": "3.00"}, "")
    tables = {word: [row, other], f"{word} 2": [other]}
    write_report(path, word, tables, views, [word])
    return path.read_text(encoding="utf-8")


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html", [make_view()], word="http://example.org/")
    page = Page(text)
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "poster", "data", "xlink:href")
    ]
    assert len(addresses) >= 10
    assert all(value and value.startswith(("data:", "#")) for value in addresses)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|import\(", text)
    policy = [a.get("content") for _, a in page.elements if "http-equiv" in a]
    assert policy
    assert str(policy[0]).startswith("default-src 'none'; img-src data:;")


def test_pictures_are_in_the_page(tmp_path: Path) -> None:
    rendered = make_view("harbour")
    page = Page(write(tmp_path / "report.html", [rendered]))
    images = [a for tag, a in page.elements if tag == "img" and "src" in a]
    jpegs = [base64.b64decode(str(image["src"]).partition(",")[2]) for image in images]
    assert jpegs == [*(jpeg for row in rendered.exposures for jpeg in row), rendered.error]
    alts = [str(image["alt"]) for image in images]
    assert len(set(alts)) == 10
    assert all("harbour" in alt for alt in alts)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    view = dataclasses.replace(make_view(HOSTILE), scores={HOSTILE: {HOSTILE: 1.0}, "b": {}})
    view_plain = dataclasses.replace(make_view("plain"), scores={"plain": {"plain": 1.0}, "b": {}})
    plain = Page(write(tmp_path / "plain.html", [view_plain]))
    hostile = Page(write(tmp_path / "hostile.html", [view], word=HOSTILE))
    assert hostile.tags() == plain.tags()
    attributes = [sorted(a) for _, a in hostile.elements]
    assert attributes == [sorted(a) for _, a in plain.elements]
    assert hostile.text.count(HOSTILE) == plain.text.count("plain") >= 10


def test_rows_columns_and_verdicts(tmp_path: Path) -> None:
    page = Page(write(tmp_path / "report.html", []))
    text = [part for part in page.text if part.strip()]
    start = text.index("Method")
    assert text[start : start + 5] == ["Method", "plain", "second", "third", "Verdict"]
    assert text[start + 5 : start + 10] == ["plain", "1.00", "2.00", "\u2013", "win"]
    assert text[start + 10 : start + 14] == ["other", "\u2013", "4.00", "3.00"]
    assert page.tags().count("details") == 1  # the second condition, folded
    headings = [a for tag, a in page.elements if tag == "th"]
    assert all(a.get("scope") in ("col", "row") for a in headings)


def test_views_are_sorted_by_gain(tmp_path: Path) -> None:
    gains = {"a": -1.0, "b": float("nan"), "c": 7.5, "d": float("inf"), "e": 0.25}
    page = Page(write(tmp_path / "report.html", [make_view(n, g) for n, g in gains.items()]))
    bars = [a for tag, a in page.elements if tag == "a" and "title" in a]
    assert [a["title"] for a in bars] == ["d", "c", "e", "a", "b"]
    targets = [a["id"] for tag, a in page.elements if tag == "article"]
    assert [a["href"] for a in bars] == [f"#{target}" for target in targets]
    alts = [str(a["alt"]) for tag, a in page.elements if tag == "img" and "src" in a]
    assert [alt[-1] for alt in alts[::10]] == ["d", "c", "e", "a", "b"]
    for text in ("+7.50", "\u22121.00", "\u2013", "+\u221e", "in 3 of 5 views"):
        assert text in "".join(page.text)


def test_scores_of_a_view(tmp_path: Path) -> None:
    text = [
        part for part in Page(write(tmp_path / "report.html", [make_view()])).text if part.strip()
    ]
    start = text.index("Scores: view") + 1
    expected = "Method psnr ssim peak input 20.00 0.00 \u2013 ours 21.25 \u2013 \u22121.00"
    assert text[start : start + 12] == expected.split()


def test_many_notes_are_folded(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    notes = [f"note {number}" for number in range(9)]
    write_report(path, "t", {}, [], notes)
    page = path.read_text(encoding="utf-8")
    shown, _, folded = page.partition("<summary>Further notes: 3</summary>")
    assert re.findall(r"<li>(note \d)</li>", shown) == notes[:6]
    assert re.findall(r"<li>(note \d)</li>", folded) == notes[6:]


def test_a_report_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    before = write(path, [])
    with pytest.raises(ValueError, match=r"ours: .*draw"):
        write_report(path, "t", {"c": [ReportRow("ours", {}, "draw")]}, [], [])
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(ImageError, match="missing"):
        write_report(tmp_path / "missing" / "report.html", "t", {}, [], [])
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
