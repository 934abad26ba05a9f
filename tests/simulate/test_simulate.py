"""Simulated pairs: exact labels, the same file however made, resumable."""

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField
from atlalign.dataset import check_dataset, open_dataset
from atlalign.errors import AtlalignError
from atlalign.plane import Plane
from atlalign.simulate import damage, job, random_appearance, random_deformation, simulate_dataset, simulate_pair
from atlalign.simulate.looks import LOOKS
from atlalign.simulate.planes import is_held_out
from atlalign.simulate.tissue import TissuePlane

SHAPE = (48, 64)


@pytest.fixture(scope="module")
def atlas():
    return Atlas.load("phantom:100")


@pytest.mark.parametrize("deformation", ["affine", "local", "both"])
def test_field_and_inverse_undo_each_other_inside(deformation):
    field, inverse = random_deformation((80, 114), deformation, random_state=3)
    there = np.array([[40.0, 30.0], [57.0, 40.0], [70.0, 45.0]])
    back = inverse.transform_points(field.transform_points(there))
    np.testing.assert_allclose(back, there, atol=0.05)


def test_a_local_deformation_does_not_fold():
    for seed in range(10):
        field, inverse = random_deformation((80, 114), "local", random_state=seed)
        assert (field.jacobian > 0).all()
        assert (inverse.jacobian > 0).all()


def test_an_affine_deformation_is_affine():
    field, _ = random_deformation(SHAPE, "affine", random_state=0)
    second = np.diff(field.deltas_xy, n=2, axis=0)
    assert np.abs(second).max() < 1e-3
    assert field.norm.mean() > 1


def test_an_unknown_deformation_is_refused():
    with pytest.raises(ValueError, match=r"one of affine, local, both\. Received: 'rigid'"):
        random_deformation(SHAPE, "rigid")


def test_the_label_registers_the_simulated_section(atlas):
    for seed in range(4):
        pair = simulate_pair(atlas, random_state=seed)
        tissue = atlas.annotation_plane(pair.p) > 0
        moving = pair.img / 255
        registered = DisplacementField.from_deltas_xy(pair.deltas_xy).warp(moving)
        overlap = [_dice(image > 0.5 * image[tissue].mean(), tissue) for image in (moving, registered)]
        assert overlap[1] > overlap[0]
        assert overlap[1] > 0.8


def _dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_appearance_is_empty_outside_the_brain_and_differs_from_draw_to_draw(atlas):
    planes = atlas.reference_plane(6000), atlas.annotation_plane(6000)
    first, second = (random_appearance(*planes, atlas.structures, random_state=seed) for seed in (0, 1))
    assert not first[planes[1] == 0].any()
    tissue = planes[1] > 0
    assert np.abs(first - second)[tissue].mean() > 0.05


def test_planes_hold_tissue(atlas):
    for seed in range(10):
        pair = simulate_pair(atlas, SHAPE, random_state=seed)
        assert (atlas.annotation_plane(pair.p, SHAPE) > 0).mean() > 0.05


def test_the_file_has_no_faults_and_says_where_it_comes_from(tmp_path):
    path = tmp_path / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=5, shape=SHAPE, random_state=0)
    assert check_dataset(path) == []
    with open_dataset(path) as file:
        assert file.attrs["atlas"] == "phantom:100"
        assert file.attrs["resolution_um"].tolist() == pytest.approx([8000 / 48, 11400 / 64])
        assert file["image_id"][:].tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(file["corners_um"][:, :, 0].mean(axis=1), file["p"][:], atol=1)


def test_the_same_bytes_whatever_the_number_of_workers(tmp_path):
    for workers in (1, 2):
        simulate_dataset(tmp_path / f"{workers}.h5", "phantom:100", n=18, shape=SHAPE, random_state=0, workers=workers)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def test_an_interrupted_simulation_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch):
    simulate_dataset(tmp_path / "whole.h5", "phantom:100", n=20, shape=SHAPE, random_state=0)
    simulated = []

    def interrupt(block, *args):
        if block == 2:
            raise KeyboardInterrupt
        simulated.append(block)
        return original(block, *args)

    original = job._simulate_block
    monkeypatch.setattr(job, "_simulate_block", interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(tmp_path / "broken.h5", "phantom:100", n=20, shape=SHAPE, random_state=0)
    assert not (tmp_path / "broken.h5").exists()
    assert simulated == [0, 1]

    monkeypatch.setattr(job, "_simulate_block", lambda block, *args: simulated.append(block) or original(block, *args))
    simulate_dataset(tmp_path / "broken.h5", "phantom:100", n=20, shape=SHAPE, random_state=0)
    assert simulated == [0, 1, 2]
    assert (tmp_path / "broken.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.h5", "whole.h5"]


def test_an_unfinished_simulation_with_other_settings_is_not_mixed_in(tmp_path):
    def interrupt(blocks, **_):
        next(iter(blocks))
        raise KeyboardInterrupt

    path = tmp_path / "pairs.h5"
    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(path, "phantom:100", n=4, shape=SHAPE, random_state=0, progress=interrupt)
    with pytest.raises(AtlalignError, match="unfinished simulation with other settings"):
        simulate_dataset(path, "phantom:100", n=5, shape=SHAPE, random_state=0)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (15, 40), (40,), (20, 20, 3), (20.5, 20), 32, (2**15, 2**14)])
def test_shapes_of_no_image_are_refused_in_one_line(atlas, tmp_path, shape):
    for call in (
        lambda: random_deformation(shape),
        lambda: simulate_pair(atlas, shape),
        lambda: simulate_dataset(tmp_path / "pairs.h5", atlas, 1, shape),
    ):
        with pytest.raises(ValueError, match="shape must be two sizes") as raised:
            call()
        assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [{"n": 0}, {"n": 3, "workers": 0}, {"n": 3, "shape": (4, 4)}])
def test_numbers_out_of_range_are_refused_and_nothing_is_written(tmp_path, arguments):
    with pytest.raises(ValueError, match="Received"):
        simulate_dataset(tmp_path / "pairs.h5", "phantom:100", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="mkdir -p"):
        simulate_dataset(tmp_path / "none" / "pairs.h5", "phantom:100", n=1)


def test_planes_are_coronal_or_tilted_by_no_more_than_asked(atlas):
    tilts = []
    for seed in range(12):
        plane = Plane.from_corners(simulate_pair(atlas, SHAPE, random_state=seed, max_tilt_degrees=8).corners_um)
        normal = np.cross(plane.u_um, plane.v_um)
        tilts.append(np.rad2deg(np.arccos(abs(normal[0]) / np.linalg.norm(normal))))
        assert abs(plane.u_um @ plane.v_um) < 1e-6 * plane.width_um * plane.height_um
        assert (plane.width_um, plane.height_um) == pytest.approx(atlas.shape_um[:0:-1])
    assert 0 < sum(tilt > 0.1 for tilt in tilts) < 12
    assert max(tilts) < 8 * np.sqrt(2)


def test_without_tilt_every_plane_is_coronal(atlas):
    for seed in range(4):
        assert np.ptp(simulate_pair(atlas, SHAPE, random_state=seed, max_tilt_degrees=0).corners_um[:, 0]) == 0


def test_a_hemisphere_that_is_lost_is_lost_up_to_the_midline(atlas):
    plane = TissuePlane(
        *(f(6000, (80, 114)) for f in (atlas.reference_plane, atlas.annotation_plane)), atlas.structures
    )
    lost = damage._one_hemisphere(plane, np.random.default_rng(0))
    assert 0.45 < (lost & plane.mask).sum() / plane.mask.sum() < 0.55


@pytest.mark.parametrize("seed", range(8))
def test_damage_leaves_tissue_to_register_and_none_where_it_is_lost(atlas, seed):
    plane = TissuePlane(
        *(f(6000, (80, 114)) for f in (atlas.reference_plane, atlas.annotation_plane)), atlas.structures
    )
    damaged = damage.random_damage(plane.reference, plane, 1, np.random.default_rng(seed))
    assert damaged.present.sum() > 0.15 * plane.mask.sum()
    assert not damaged.image[plane.mask & ~damaged.present].any()
    assert not (damaged.present & ~plane.mask).any()


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_shows_tissue_and_nothing_outside(atlas, look):
    plane = TissuePlane(
        *(f(6000, (80, 114)) for f in (atlas.reference_plane, atlas.annotation_plane)), atlas.structures
    )
    image = look(plane, np.random.default_rng(0))
    assert image.shape == (80, 114)
    assert np.isfinite(image).all()
    assert image[plane.mask].mean() > 0.005
    assert np.abs(image[~plane.mask]).max() < 0.5


@pytest.mark.parametrize(
    ("choice", "value"),
    [("max_tilt_degrees", 60), ("max_tilt_degrees", -1), ("damage", 1.5), ("local_strength", 2)],
)
def test_choices_out_of_range_are_refused(atlas, choice, value):
    with pytest.raises(ValueError, match=f"{choice} must be"):
        simulate_pair(atlas, SHAPE, **{choice: value})


@pytest.mark.parametrize("planes", ["training", "held-out"])
def test_planes_of_training_and_those_held_out_never_meet(atlas, planes):
    positions = [simulate_pair(atlas, SHAPE, random_state=seed, planes=planes).p for seed in range(12)]
    assert {is_held_out(position) for position in positions} == {planes == "held-out"}


def test_sections_that_are_placed_by_their_tissue_lie_nearer(atlas):
    distances = {}
    for place_by in ("anywhere", "tissue"):
        pairs = [simulate_pair(atlas, SHAPE, random_state=seed, place_by=place_by, damage=0) for seed in range(10)]
        distances[place_by] = np.mean([np.linalg.norm(pair.deltas_xy, axis=-1)[pair.present].mean() for pair in pairs])
    assert distances["tissue"] < 0.75 * distances["anywhere"]


def test_a_third_of_the_local_strength_moves_points_a_third_as_far():
    full, third = (random_deformation((80, 114), "local", 5, local_strength=strength)[0] for strength in (1, 1 / 3))
    assert third.average_displacement == pytest.approx(full.average_displacement / 3, rel=0.1)


def test_a_placed_label_still_registers(atlas):
    pair = simulate_pair(atlas, (80, 114), random_state=1, place_by="tissue", damage=0, max_tilt_degrees=0)
    field, inverse = (DisplacementField.from_deltas_xy(deltas) for deltas in (pair.deltas_xy, pair.inv_deltas_xy))
    assert field(inverse).norm[20:60, 30:84].max() < 0.05


@pytest.mark.parametrize("choice", ["planes", "place_by"])
def test_an_unknown_choice_is_refused(atlas, choice):
    with pytest.raises(ValueError, match=f"{choice} must be one of"):
        simulate_pair(atlas, SHAPE, **{choice: "elsewhere"})
