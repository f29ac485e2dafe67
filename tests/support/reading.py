"""Reads a page of HTML, and checks on the way that every tag is closed."""

import re
from html.parser import HTMLParser
from pathlib import Path

_WITHOUT_END = ("meta", "img")


class Page(HTMLParser):
    """A page that was read.

    Attributes:
      text: of the page, a space for every run of white space, without style sheet and tags.
      rows: texts of the cells of all tables, row by row.
      tags: all that were opened.
      attributes: of all tags, with their values.
    """

    def __init__(self, page: str):
        super().__init__()
        self.text = ""
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []
        self.text = _spaced(self.text)
        self.rows = [[_spaced(cell) for cell in row] for row in self.rows]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._open += [tag] if tag not in _WITHOUT_END else []
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" in self._open:
            return
        self.text += data
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += data

    def all(self, name: str) -> list[str | None]:
        """The values of an attribute, wherever it stands."""
        return [value for key, value in self.attributes if key == name]


def read(file: Path) -> Page:
    """Reads a file, which is to load nothing from elsewhere."""
    page = Page(file.read_text(encoding="utf-8"))
    assert all(str(each).startswith("data:image/") for each in page.all("src"))
    assert page.all("href") == [f"#{name}" for name in page.all("id")]
    assert not {"script", "link", "iframe"} & set(page.tags)
    return page


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
