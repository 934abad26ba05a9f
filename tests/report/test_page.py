"""A plain page of text and pictures."""

import re

import pytest

from atlalign.report import write_page


def test_text_is_escaped_and_pictures_are_named(tmp_path):
    write_page(tmp_path / "page.html", "A & B", ["1 < 2"], {'The "first"': "a.png", "Second": "b/c.png"})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in page
    assert "<p>1 &lt; 2</p>" in page
    assert re.findall(r'src="([^"]*)"', page) == ["a.png", "b/c.png"]
    assert "<figcaption>The &quot;first&quot;</figcaption>" in page


def test_a_page_without_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="mkdir"):
        write_page(tmp_path / "nowhere" / "page.html", "A", [], {})
