"""The pictures of the page."""

import numpy as np

from atlalign import Atlas, DisplacementField
from atlalign.label.pictures import (
    FOLD,
    GRID,
    NOTHING,
    draw_grid,
    find_outlines,
    find_structures,
    picture_maps,
    picture_shape,
    warp_picture,
)

STRUCTURES = Atlas.load("phantom:100").structures
NO_FOLDS = np.zeros((80, 114), bool)


def test_a_picture_warped_at_a_multiple_of_its_size_is_the_warped_one_enlarged():
    field = DisplacementField.generate((80, 114), "diffeomorphic", amplitude=4, sigma=15, random_state=0)
    y, x = np.mgrid[:320, :456]
    smooth = (127 + 100 * np.sin(x / 40) * np.cos(y / 30)).astype(np.uint8)
    large = warp_picture(smooth, picture_maps(field, (320, 456)))
    expected = field.resize_constant((320, 456)).warp(smooth)
    inner = np.s_[24:-24, 24:-24]
    assert np.abs(large[inner].astype(int) - expected[inner].astype(int)).max() <= 2


def test_pictures_are_a_whole_multiple_of_the_canvas():
    for shape in ((80, 114), (320, 456), (700, 900), (3000, 4000)):
        height, width = picture_shape(shape)
        assert (height / shape[0]) == (width / shape[1]) == round(width / shape[1]) >= 1


def test_outlines_go_around_structures_and_move_with_a_field():
    labels = np.zeros((80, 114), np.uint32)
    labels[20:40, 30:60] = 80
    found = find_outlines(labels, STRUCTURES)
    [line] = found.lines
    assert np.allclose(line.min(axis=0), [29.5, 19.5], atol=0.3)
    assert np.allclose(line.max(axis=0), [59.5, 39.5], atol=0.3)
    shift = DisplacementField.generate((80, 114), "affine_simple", translation_x=5)
    assert np.allclose(found.moved(shift).lines[0], line + [5, 0], atol=1e-4)  # noqa: RUF005


def test_outlines_reach_the_border_and_touch_where_structures_do():
    labels = np.full((80, 114), 80, np.uint32)
    labels[:, 57:] = 83
    lines = find_outlines(labels, STRUCTURES).lines
    assert len(lines) == 2
    assert lines[0][:, 0].max() - lines[1][:, 0].min() < 0.2


def test_a_structure_that_the_atlas_does_not_list_has_an_outline_and_no_name():
    labels = np.zeros((20, 20), np.uint32)
    labels[5:15, 5:15] = 4_000_000_000
    assert find_outlines(labels, STRUCTURES).colours == ["#ffffff"]
    index, names = find_structures(labels, STRUCTURES)
    assert names[index[10, 10]] == ""


def test_the_grid_is_square_where_nothing_moves():
    grid = draw_grid(picture_maps(DisplacementField.generate((80, 114)), (640, 912)), NO_FOLDS)
    assert set(np.unique(grid)) == {NOTHING, GRID}
    columns = np.flatnonzero((grid == GRID).mean(axis=0) > 0.99)
    assert np.allclose(np.diff(columns[::2]), 38, atol=1)


def test_folds_are_marked_where_they_are():
    folds = NO_FOLDS.copy()
    folds[40, 57] = True
    grid = draw_grid(picture_maps(DisplacementField.generate((80, 114)), (160, 228)), folds)
    assert np.argwhere(grid == FOLD).tolist() == [[80, 114], [80, 115], [81, 114], [81, 115]]
