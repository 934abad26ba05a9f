"""Reading VisuAlign's markers."""

import json

import numpy as np
import pytest

from atlalign.errors import InvalidFileError
from atlalign.quint import read_markers


def write(path, **changes):
    section = {"filename": "a.png", "width": 100, "height": 60, "markers": [[1, 2, 3, 4]], **changes}
    path.write_text(json.dumps({"slices": [section]}))
    return path


def test_the_first_two_numbers_are_the_overlay_and_the_last_two_the_section(tmp_path):
    markers = read_markers(write(tmp_path / "s.json"))["a.png"]
    assert markers.overlay_xy.tolist() == [[1, 2]]
    assert markers.section_xy.tolist() == [[3, 4]]
    assert markers.size == (100, 60)


@pytest.mark.parametrize("nothing", [[], None])
def test_sections_without_markers_are_not_there(tmp_path, nothing):
    assert read_markers(write(tmp_path / "s.json", markers=nothing)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"markers": [[1, 2, 3]]},
        {"markers": [1, 2, 3, 4]},
        {"markers": [[1, 2, 3, float("nan")]]},
        {"markers": [["a", 2, 3, 4]]},
        {"markers": {"a": 1}},
        {"markers": "1234"},
        {"markers": [[1, 2, 3, 4], [1, 2, 3]]},
        {"width": 0},
        {"height": None},
        {"width": "wide"},
    ],
)
def test_markers_that_are_none_are_refused_by_the_sections_name(tmp_path, changes):
    with pytest.raises(InvalidFileError, match=r"(?s)^[^\n]*a\.png[^\n]*$"):
        read_markers(write(tmp_path / "s.json", **changes))


@pytest.mark.parametrize("text", ["", "[]", '{"slices": 3}', '{"slices": [3]}', "[" * 9999, '{"slices": {}}'])
def test_what_is_no_series_is_refused(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InvalidFileError, match="must be a series"):
        read_markers(tmp_path / "s.json")


def test_a_file_of_bytes_is_refused(tmp_path):
    (tmp_path / "s.json").write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(InvalidFileError, match="must be a series"):
        read_markers(tmp_path / "s.json")
