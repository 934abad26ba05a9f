"""Groups of structures: their files, and what is refused."""

import json

import pandas as pd
import pytest

from atlalign import Atlas
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.registration import read_groups
from atlalign.registration.groups import check_gathering, gather, structures_of_groups

STRUCTURES = Atlas.load("phantom:100").structures
GROUPS = {"striatum": ["CP", "ACB"], "NA": ["TH"]}


def _file(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.json", json.dumps({"striatum": ["CP", "ACB"], "NA": "TH"})),
        ("g.csv", "group,acronym\nstriatum,CP\nNA,TH\n\nstriatum,ACB\n"),
        ("g.csv", "Group;Acronym\r\nstriatum; CP\r\nstriatum;ACB\r\nNA;TH\r\n"),
        ("g.tsv", "group\tacronym\nstriatum\tCP\nstriatum\tACB\nNA\tTH\n"),
    ],
)
def test_groups_are_read_from_json_and_tables(tmp_path, name, text):
    groups = read_groups(_file(tmp_path, name, text))
    assert groups == GROUPS
    assert list(groups) == list(GROUPS)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("g.json", "{", "JSON object"),
        ("g.json", "[1]", "a list"),
        ("g.json", "{}", "no group"),
        ("g.json", '{"a": ["CP"], "a": ["TH"]}', "a group twice"),
        ("g.json", '{"a": []}', "group 'a' is not a list"),
        ("g.json", '{"a": [80]}', "group 'a' is not a list"),
        ("g.csv", "", "header"),
        ("g.csv", "name,structure\na,CP\n", "header 'name,structure'"),
        ("g.csv", "group,acronym\n", "no group"),
        ("g.csv", "group,acronym\na,\n", "row 2"),
        ("g.csv", "group,acronym\na,CP,TH\n", "row 2"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, text, match):
    with pytest.raises(InvalidFileError, match=match) as caught:
        read_groups(_file(tmp_path, name, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_in_another_encoding_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="file of groups"):
        read_groups(tmp_path / "g.csv")
    (tmp_path / "g.csv").write_bytes("group,acronym\ncortéx,CTX\n".encode("latin-1"))
    with pytest.raises(InvalidFileError, match="utf-8"):
        read_groups(tmp_path / "g.csv")


def test_children_are_in_the_group_of_their_parent():
    found = structures_of_groups({"hippocampus": ["HIP"]}, STRUCTURES)
    expected = {STRUCTURES["HIP"].id, *(structure.id for structure in STRUCTURES.descendants("HIP"))}
    assert set(found) == expected
    assert set(found.values()) == {"hippocampus"}


def test_a_structure_may_be_named_twice_in_one_group():
    assert structures_of_groups({"a": ["HIP", "CA1", "HIP"]}, STRUCTURES) == structures_of_groups(
        {"a": ["HIP"]}, STRUCTURES
    )


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ({"a": ["CP"], "b": ["CP"]}, r"CP in 'a' and in 'b'\."),
        ({"a": ["CTX"], "b": ["CA1p"]}, r"CA1p in 'a' within CTX and in 'b'\."),
        ({"b": ["CA1p"], "a": ["CTX"]}, r"CA1p in 'b' and in 'a' within CTX\."),
    ],
)
def test_a_structure_in_two_groups_is_refused(groups, match):
    with pytest.raises(ValueError, match=match):
        structures_of_groups(groups, STRUCTURES)


@pytest.mark.parametrize(
    ("acronym", "nearest"), [("cp", "CP"), ("CA1 p", "CA1p"), ("Caudoputamen", "CP"), ("ca3P", "CA3p")]
)
def test_an_unknown_acronym_is_refused_with_the_nearest(acronym, nearest):
    with pytest.raises(AtlasError, match=rf"{acronym!r} in group 'a'. The nearest is {nearest},") as caught:
        structures_of_groups({"a": [acronym]}, STRUCTURES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("acronyms", ["CP", [], ()])
def test_a_group_must_be_a_list_that_holds_something(acronyms):
    with pytest.raises(ValueError, match="at least one"):
        check_gathering({"a": acronyms}, None, STRUCTURES)


def test_ids_that_the_atlas_does_not_list_keep_their_row():
    table = gather(pd.DataFrame({"id": [4_000_000_000, 61], "n": [2, 3]}), STRUCTURES, depth=1)
    assert table["id"].tolist() == [2, 4_000_000_000]
    assert table["n"].tolist() == [3, 2]
    assert table["acronym"].tolist() == ["grey", ""]
