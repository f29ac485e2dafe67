"""Templates: every tag closed, every text escaped, nothing loaded from elsewhere."""

import re

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure
from reading import Page, read

from agents.reporting import page

NASTY = "a & <b>"

CONTENT = """
{% extends "page.html" %}
{% from "parts.html" import cards, figure, folded, table %}
{% block header %}<p>{{ nasty }}</p>{{ cards([(nasty, nasty)]) }}{% endblock %}
{% block one %}
{{ table((nasty, "x", "y"), [(nasty, "1.0 [0.5, 1.5]", ("short", nasty))]) }}
{{ table((), [("no headings", "a [b] c")]) }}
{{ folded(nasty, nasty) }}
{% endblock %}
{% block two %}{{ figure(source, nasty, nasty) }}{% endblock %}
"""


def rendered(**values) -> str:
    template = page.TEMPLATES.from_string(CONTENT)
    sections = {"one": NASTY, "two": NASTY}
    source = page.drawing(Figure(), NASTY)
    return template.render({"title": NASTY, "sections": sections, "source": source} | values)


def test_a_page_is_whole_and_escapes_every_text(tmp_path):
    (tmp_path / "page.html").write_text(rendered(nasty=NASTY))
    found = read(tmp_path / "page.html")
    assert found.tags.count("b") == 1  # that of the card
    assert found.text.count(NASTY) == 2 + 2 * 2 + 3 + 2 + 2 + 1
    assert found.all("alt") == found.all("title") == [NASTY]
    assert found.rows == [
        [NASTY, "x", "y"], [NASTY, "1.0 [0.5, 1.5]", "short"], ["no headings", "a [b] c"],
    ]  # fmt: skip
    assert found.tags.count("small") == 1


def test_nothing_in_the_style_sheet_is_loaded():
    assert not re.search(r"url\(|@import", rendered(nasty=NASTY))


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="nasty"):
        rendered()


def test_a_drawing_is_the_same_to_the_last_bit():
    assert page.drawing(Figure(), "a") == page.drawing(Figure(), "a")
    source = page.image(b"GIF89a", "gif")
    assert source == "data:image/gif;base64,R0lGODlh"
    assert Page(f'<img src="{source}">').all("src") == [source]
