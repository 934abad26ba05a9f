"""Variations change no position; who finds them all agrees, who overlooks them disagrees by as much."""

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.registration.quality import Disagreement, disagreement, draw_variations, flags, measure
from atlalign.registration.quality.disagreement import _is_symmetric
from atlalign.section.resampling import apply_affine

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _register(model=_nothing_to_do):
    section = Section(ATLAS.reference_plane(6000, (160, 228)), pixel_size_um=50)
    return register(section, ATLAS, position_um=6000, local_model=model)


def _affine_field(matrix):
    grid = np.stack(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])), axis=-1)
    return DisplacementField.from_deltas_xy(apply_affine(matrix, grid) - grid)


def _knowing(variations, found):
    """Return what registers each variation perfectly, in their order, where `found` registers the section."""
    left = iter(variations)

    def predict(moving, reference):
        variation = next(left)
        mirror = np.array([[-1.0, 0, SHAPE[1] - 1], [0, 1, 0]]) if variation.mirrored else np.eye(2, 3)
        square = [np.vstack([matrix, [0, 0, 1]]) for matrix in (mirror, variation.matrix, found, mirror)]
        return _affine_field(np.linalg.multi_dot(square)[:2])

    return predict


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shift_px", [0.0, 4.0])
def test_a_registration_that_finds_every_movement_agrees_with_itself(mirror, shift_px):
    found = np.array([[1.0, 0, shift_px], [0, 1, 0]])
    registration = _register(lambda reference, moving: _affine_field(found).deltas_xy)
    variations = draw_variations(SHAPE, 3, mirror=mirror, random_state=0)
    result = disagreement(_knowing(variations, found), registration, n=3, mirror=mirror)
    assert result.p95_um < 2


def test_one_that_finds_none_disagrees_by_the_movements():
    result = disagreement(lambda m, r: DisplacementField.generate(SHAPE), _register(), n=4, mirror=False)
    middle = apply_affine(np.eye(2, 3), [[57.0, 30.0]])
    places = np.stack([middle, *(apply_affine(v.matrix, middle) for v in result.variations)]) * 100
    expected = np.sqrt(np.square(places - places.mean(axis=0)).sum(axis=-1).mean())
    assert result.map_um[30, 57] == pytest.approx(expected, abs=0.5)


def test_the_map_is_of_the_tissue_that_both_have():
    result = disagreement(lambda m, r: DisplacementField.generate(SHAPE), _register(), n=1)
    assert result.map_um.shape == SHAPE
    annotation = ATLAS.annotation_plane(6000)
    assert np.isnan(result.map_um[annotation == 0]).all()
    assert np.isfinite(result.map_um[annotation > 0]).mean() > 0.97


def test_each_variation_is_seen_as_a_model_image():
    seen = []

    def predict(moving, reference):
        seen.append((moving, reference))
        return DisplacementField.generate(SHAPE)

    registration = _register()
    disagreement(predict, registration, n=2, mirror=True)
    for moving, reference in seen:
        assert moving.shape == reference.shape == SHAPE
        assert moving.dtype == reference.dtype == np.float32
        assert moving.min() >= 0
        assert moving.max() <= 1
    assert np.array_equal(seen[0][1], registration.reference[:, ::-1])
    assert np.array_equal(seen[1][1], registration.reference)


def test_only_a_reference_that_is_nearly_its_own_mirror_image_is_mirrored():
    one_sided = np.zeros(SHAPE, np.float32)
    one_sided[20:60, 10:50] = 1
    assert _is_symmetric(_register().reference)
    assert not _is_symmetric(one_sided)
    assert not _is_symmetric(np.zeros(SHAPE, np.float32))


def test_the_same_variations_are_drawn_each_time():
    first, second = (draw_variations(SHAPE, 3, random_state=7) for _ in range(2))
    assert all(np.array_equal(a.matrix, b.matrix) and a.gamma == b.gamma for a, b in zip(first, second, strict=True))


def test_no_variation_is_refused():
    with pytest.raises(ValueError, match="at least 1 variation"):
        draw_variations(SHAPE, 0)


def test_disagreement_beyond_a_layer_is_flagged_with_where():
    result = Disagreement(np.full(SHAPE, 320, np.float32), (), "striatum, on the animal's left")
    quality = measure(_register(), disagreement=result, perceptual=False)
    assert quality["disagreement_median"] == {"value": 320.0, "unit": "um", "flag": None}
    assert flags(quality) == [
        "Variations of the section disagree by more than 320 um in 5 percent of its tissue, "
        "most in striatum, on the animal's left."
    ]


def test_without_tissue_there_is_no_disagreement():
    nothing = Disagreement(np.full(SHAPE, np.nan, np.float32), (), "")
    quality = measure(_register(), disagreement=nothing, perceptual=False)
    assert quality["disagreement_p95"] == {"value": None, "unit": "um", "flag": None}
