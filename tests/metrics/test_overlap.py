"""IoU and Dice at every depth of a hierarchy, from one count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlalign import Atlas
from atlalign.atlas import Structures
from atlalign.metrics import dice_per_depth, dice_score, iou_score, overlap_per_depth
from atlalign.utils import find_labels_dic

PARENTS = {1: None, 10: 1, 20: 1, 11: 10, 12: 10, 21: 20, 111: 11, 112: 11}
STRUCTURES = Structures([(i, f"s{i}", f"structure {i}", parent, (0, 0, 0)) for i, parent in PARENTS.items()])
# 77 is in neither hierarchy, as happens in real annotations
annotations = hnp.arrays(np.uint32, (2, 5, 6), elements=st.sampled_from([0, 77, *PARENTS]))


def as_dict(identifier=1):
    children = [as_dict(child) for child, parent in PARENTS.items() if parent == identifier]
    return {"id": identifier, "children": children}


@given(true=annotations, pred=annotations)
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("excluded", [(0,), (), (0, 10)])
def test_each_depth_is_the_score_of_annotations_collapsed_to_it(true, pred, excluded):
    scores = overlap_per_depth(true, pred, STRUCTURES, range(5), excluded_labels=excluded)
    for depth in range(5):
        collapsed = STRUCTURES.at_depth(true, depth), STRUCTURES.at_depth(pred, depth)
        for name, metric in (("iou", iou_score), ("dice", dice_score)):
            expected = metric(*collapsed, k=None, excluded_labels=excluded)[1]
            np.testing.assert_allclose(scores[name][:, depth], expected)


@given(true=annotations, pred=annotations)
@settings(max_examples=20, deadline=None)
def test_a_hierarchy_from_a_dictionary_gives_the_same(true, pred):
    of_atlas = overlap_per_depth(true, pred, STRUCTURES, (0, 2, 3))
    of_dict = overlap_per_depth(true.astype("int64"), pred.astype("int64"), as_dict(), (0, 2, 3))
    assert find_labels_dic([111], as_dict(), 1).tolist() == STRUCTURES.at_depth([111], 1).tolist()
    for name in ("iou", "dice"):
        np.testing.assert_array_equal(of_atlas[name], of_dict[name])


def test_siblings_that_are_confused_count_as_right_once_their_parent_stands_for_both():
    true, pred = np.full((4, 4), 111), np.full((4, 4), 112)
    np.testing.assert_array_equal(dice_per_depth(true, pred, STRUCTURES, (0, 1, 2, 3, 8)), [1, 1, 1, 0, 0])


def test_shapes_follow_the_annotations():
    single, batch = np.ones((3, 4), int), np.ones((5, 3, 4), int)
    assert dice_per_depth(single, single, STRUCTURES, (0, 1)).shape == (2,)
    assert dice_per_depth(batch, batch, STRUCTURES, (0, 1)).shape == (5, 2)
    assert dice_per_depth(batch, batch, STRUCTURES, ()).shape == (5, 0)


def test_a_sample_without_brain_is_nan_and_the_others_are_not():
    true = np.zeros((2, 3, 4), int)
    true[1] = 111
    np.testing.assert_array_equal(dice_per_depth(true, true, STRUCTURES, (2,)), [[np.nan], [1]])


def test_the_score_of_a_real_plane_falls_with_depth():
    atlas = Atlas.load("phantom", spacing_um=100)
    plane = atlas.annotation_plane(6000)
    scores = dice_per_depth(plane, np.roll(plane, 3, axis=1), atlas.structures, range(6))
    assert 0 < scores[-1] < scores[0] < 1


@pytest.mark.parametrize("depths", [(-1,), (0.5,), ("2",)])
def test_what_is_no_depth_is_refused(depths):
    with pytest.raises(ValueError, match="integers of at least 0"):
        dice_per_depth(np.ones((2, 2), int), np.ones((2, 2), int), STRUCTURES, depths)


def test_what_are_no_annotations_is_refused():
    with pytest.raises(ValueError, match=r"must be \(h, w\) or \(n, h, w\). Received: shape \(4,\)"):
        dice_per_depth(np.ones(4, int), np.ones(4, int), STRUCTURES, (0,))
