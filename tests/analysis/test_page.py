"""Pages: every tag closed, every text escaped, nothing loaded from elsewhere."""

import re
from html.parser import HTMLParser

from matplotlib.figure import Figure

from agents.analysis import page as html

NASTY = "a & <b>"


class Checked(HTMLParser):
    """Reads a page; `open` are the tags that are not closed."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open += [tag] if tag not in ("meta", "img") else []
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, name: str) -> list[str | None]:
        return [value for key, value in self.attributes if key == name]


def test_a_page_is_whole_and_loads_nothing():
    drawing = html.drawing(Figure(), NASTY)
    assert drawing == html.drawing(Figure(), NASTY)
    content = [
        html.paragraph(NASTY, NASTY),
        html.cards([(NASTY, NASTY)]),
        html.table((NASTY, "x"), [(NASTY, "1.0 [0.5, 1.5]")]),
        html.folded(NASTY, html.preformatted(NASTY)),
        html.figure(drawing, NASTY),
        html.figure(html.image(b"GIF89a", "gif", NASTY), NASTY),
    ]
    sections = [html.Section(f"part{i}", NASTY, each) for i, each in enumerate(content)]
    text = html.page(NASTY, html.paragraph(NASTY), sections)
    read = Checked(text)
    assert read.open == []
    assert read.text.count(NASTY) == 3 + 2 * len(sections) + 10
    assert read.all("alt") == [NASTY] * 2
    assert [str(each)[:11] for each in read.all("src")] == ["data:image/"] * 2
    assert not re.search(r"(src|href)=.?https?:|url\(|@import|<script", text)
    assert read.all("href") == [f"#{name}" for name in read.all("id")]
    assert "<td>1.0<small> [0.5, 1.5]</small></td>" in text
