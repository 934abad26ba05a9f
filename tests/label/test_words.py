"""The words and keys of the page."""

from pathlib import Path

from atlalign.label import Labels, Pair, words
from atlalign.label.keyboard import KEYS, commands_by_key, keyboard_table

NASTY = '<img src=x onerror="alert(1)">\'"&$$x$$'
DOCS = Path(__file__).resolve().parents[2] / "docs" / "howto" / "label.md"


def test_nothing_that_comes_from_files_is_read_as_html():
    line = words.Line(NASTY, "untouched", NASTY)
    for text in (
        words.list_of_sections([line], NASTY),
        words.title(NASTY, 1, 2, None, NASTY),
        words.message(NASTY, "bad"),
    ):
        assert "<img" not in text
        assert 'onerror="' not in text


def test_the_share_without_folds_is_100_only_if_nothing_folds():
    numbers = {
        "without_folds": 99.9999,
        "mean_displacement": 1.0,
        "mean_displacement_um": None,
        "correction": 0.0,
        "worst_residual": None,
    }
    assert "99.99 %" in words.figures(numbers, Labels())
    assert "100 %" in words.figures(numbers | {"without_folds": 100.0}, Labels())


def test_a_residual_beyond_half_a_pixel_is_marked():
    labels = Labels((Pair(1, (5, 4), (6, 4)), Pair(2, (9, 4), (9, 5))))
    rows = words.table_of_pairs(labels, {1: 0.1, 2: 0.9}, 2).split("<tr")[2:]
    assert ["bad" in row for row in rows] == [False, True]


def test_no_key_has_two_meanings():
    keys = [key for line in KEYS for key in line.keys]
    assert len(keys) == len(set(keys)) == len(commands_by_key())


def test_the_documentation_has_every_key():
    assert keyboard_table() in DOCS.read_text(encoding="utf-8")
