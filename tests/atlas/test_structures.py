"""Structures: look-up, hierarchy, colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlalign.atlas import Structures, UnknownStructureError
from atlalign.errors import AtlasError


@st.composite
def trees(draw):
    """Rows of a random tree, children possibly before their parents."""
    n = draw(st.integers(1, 20))
    ids = draw(st.lists(st.integers(1, 2**32 - 1), min_size=n, max_size=n, unique=True))
    rows = [
        (ids[i], f"s{i}", f"structure {i}", None if i == 0 else ids[draw(st.integers(0, i - 1))], (i, i, i))
        for i in range(n)
    ]
    return draw(st.permutations(rows))


@given(trees())
def test_paths_lead_from_a_root_over_parents_to_the_structure(rows):
    structures = Structures(rows)
    for structure in structures.values():
        assert structure.path[-1] == structure.id
        assert structures[structure.path[0]].parent_id is None
        assert structure.depth == len(structure.path) - 1
        if structure.parent_id is not None:
            assert structures[structure.parent_id].path == structure.path[:-1]


@given(trees())
def test_descendants_are_those_who_have_the_structure_among_their_ancestors(rows):
    structures = Structures(rows)
    for structure in structures.values():
        expected = {s.id for s in structures.values() if structure in structures.ancestors(s.id)}
        assert {s.id for s in structures.descendants(structure.id)} == expected


@given(trees(), st.integers(0, 6), st.data())
def test_at_depth_gives_the_ancestor_at_that_depth(rows, depth, data):
    structures = Structures(rows)
    ids = np.array(data.draw(st.lists(st.sampled_from([0, *structures]), min_size=6, max_size=6))).reshape(2, 3)
    collapsed = structures.at_depth(ids, depth)
    assert collapsed.dtype == np.uint32
    assert collapsed.shape == ids.shape
    for before, after in zip(ids.ravel(), collapsed.ravel(), strict=True):
        path = (0,) if before == 0 else structures[before].path
        assert after == path[min(depth, len(path) - 1)]


@given(trees())
def test_ids_and_acronyms_find_the_same_structure(rows):
    structures = Structures(rows)
    assert len(structures) == len(rows)
    for structure in structures.values():
        assert structures[structure.acronym] is structures[structure.id] is structures[np.uint32(structure.id)]


def test_ids_that_the_atlas_does_not_list_stay_as_they_are():
    structures = Structures([(1, "root", "", None, (9, 9, 9)), (2, "CTX", "", 1, (8, 8, 8))])
    assert structures.at_depth([7, 2], 0).tolist() == [7, 1]
    assert structures.colors([7, 2]).tolist() == [[0, 0, 0], [8, 8, 8]]


def test_colors_have_the_shape_of_the_annotation():
    structures = Structures([(1, "root", "", None, (9, 8, 7))])
    assert structures.colors(np.ones((4, 5), np.uint32)).shape == (4, 5, 3)


def test_children_are_one_step_below():
    rows = [(1, "root", "", None, (0,) * 3), (2, "a", "", 1, (0,) * 3), (3, "b", "", 2, (0,) * 3)]
    assert [s.id for s in Structures(rows).children("root")] == [2]


@pytest.mark.parametrize("key", ["nope", 99, None])
def test_an_unknown_key_is_a_key_error_with_a_plain_message(key):
    structures = Structures([(1, "root", "", None, (0, 0, 0))])
    with pytest.raises(UnknownStructureError) as caught:
        structures[key]
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, AtlasError)
    assert str(caught.value).startswith("A structure must be an id or an acronym")
    assert "nope" not in structures


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one structure"),
        ([(0, "a", "", None, (0, 0, 0))], "0 < id"),
        ([(2**32, "a", "", None, (0, 0, 0))], "0 < id"),
        ([(1, "a", "", None, (0, 0, 0)), (1, "b", "", None, (0, 0, 0))], "once"),
        ([(1, "a", "", 5, (0, 0, 0))], "parent must be in the file"),
        ([(1, "a", "", 2, (0, 0, 0)), (2, "b", "", 1, (0, 0, 0))], "among its own ancestors"),
    ],
)
def test_rows_that_are_no_tree_are_refused(rows, message):
    with pytest.raises(AtlasError, match=message):
        Structures(rows)


ROOT = (1, "root", "", None, (0, 0, 0))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, "CTX", "", None, (0, 0, 0)), "id must occur once"),
        ((2, "root", "", 1, (0, 0, 0)), "Each acronym must occur once. Received: 'root' of 1 and 2"),
        ((2, "CTX", "", None, (0, 0, 0)), r"one root.*Received: 2 without a parent \(root, CTX\)"),
        ((2, "CTX", "", 1, (0, 256, 0)), r"from 0 to 255. Received: \(0, 256, 0\) of CTX"),
        ((2, "CTX", "", 1, (-1, 0, 0)), "from 0 to 255"),
        ((2, "CTX", "", 1, (0, 0)), "three numbers"),
    ],
)
def test_structures_that_contradict_each_other_are_refused_in_one_line(row, message):
    with pytest.raises(AtlasError, match=message) as caught:
        Structures([ROOT, row])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ids", [[-1, 1], [1.5], [np.nan], [2**32], ["CTX"], [2**80]])
def test_at_depth_refuses_what_are_no_ids_in_one_line(ids):
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 2\*\*32 - 1") as caught:
        Structures([ROOT]).at_depth(ids, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [-1, 0.5])
def test_a_depth_that_is_no_count_is_refused(depth):
    with pytest.raises(ValueError, match="depth must be a whole number"):
        Structures([ROOT]).at_depth([1], depth)
