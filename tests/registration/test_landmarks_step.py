"""Landmarks as the last step: met, missed by no more than allowed, or refused by name."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.errors import InvalidFileError
from atlalign.registration.landmark_files import LandmarkPairs, read_landmark_pairs
from atlalign.registration.landmark_step import with_landmarks

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)
SECTION = Section(ATLAS.reference_plane(6000, shape=(160, 228)), pixel_size_um=50, name="s1.png")
LOW, HIGH = [40, 30], [190, 130]  # px of the section


def _turning(reference, moving):
    return DisplacementField.generate(SHAPE, "affine_simple", rotation=0.05, scale_x=1.05, translation_x=2).deltas_xy


def _bending(reference, moving):
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    return np.stack([2 * np.sin(y / 12), 2 * np.cos(x / 15)], axis=-1)


@pytest.fixture(scope="module")
def registration():
    return register(SECTION, ATLAS, position_um=6000, global_model=_turning, local_model=_bending)


def _pairs(registration, section_xy, moved_um):
    """Return landmarks whose truth lies so far, (dv, ml) um, from where the registration has them."""
    targets = registration.section_to_atlas(section_xy)
    targets[:, 1:] += moved_um
    return LandmarkPairs(section_xy, targets)


def _missed_px(registration, pairs):
    """Return how far landmarks are missed, px of the canvas."""
    there = registration.canvas.section_to_canvas(registration.atlas_to_section(pairs.targets))
    return np.hypot(*(there - registration.canvas.section_to_canvas(pairs.section_xy)).T)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_landmarks_are_met_to_a_tenth_of_a_pixel(registration, n, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(LOW, HIGH, (n, 2))
    gaps = np.hypot(*(points[:, None] - points).T) + 1000 * np.eye(n)
    assume(gaps.min() > 30)
    pairs = _pairs(registration, points, rng.uniform(-150, 150, (n, 2)))
    corrected = with_landmarks(registration, pairs)
    assert _missed_px(corrected, pairs).max() < 0.1
    assert np.abs(corrected.section_to_atlas(points)[:, 1:] - pairs.targets[:, 1:]).max() < 10
    assert (corrected.field.jacobian > 0).all()


def test_they_are_the_last_step_and_the_others_stay(registration):
    corrected = with_landmarks(registration, _pairs(registration, [[100, 80]], [200, 0]))
    assert [step.name for step in corrected.steps] == ["canvas", "global", "local", "landmarks"]
    assert corrected.without("landmarks").field == registration.field


def test_landmarks_given_again_take_the_place_of_the_first(registration):
    first = with_landmarks(registration, _pairs(registration, [[100, 80]], [200, 0]))
    pairs = _pairs(registration, [[150, 90]], [0, 200])
    again = with_landmarks(first, pairs)
    assert [step.name for step in again.steps] == [step.name for step in first.steps]
    assert again.field == with_landmarks(registration, pairs).field


def test_landmarks_that_are_met_already_change_nothing(registration):
    corrected = with_landmarks(registration, _pairs(registration, [[60, 50], [150, 90]], [0, 0]))
    assert corrected.step("landmarks").transform.average_displacement < 0.01


def test_the_correction_fades_with_the_distance(registration):
    moves = np.hypot(
        *with_landmarks(registration, _pairs(registration, [[60, 50]], [0, 300]))
        .step("landmarks")
        .transform.deltas_xy.reshape(-1, 2)
        .T
    ).reshape(SHAPE)
    x, y = registration.canvas.plane.um_to_pixels(registration.section_to_atlas([[60, 50]]), SHAPE)[0]
    assert moves[round(y), round(x)] == pytest.approx(moves.max(), rel=0.05)
    assert moves[-1, -1] < 0.5 * moves.max()


def test_targets_may_be_pixels_of_the_canvas(registration):
    pairs = _pairs(registration, [[60, 50], [150, 90]], [[100, 0], [0, 100]])
    on_canvas = LandmarkPairs(pairs.section_xy, registration.canvas.plane.um_to_pixels(pairs.targets, SHAPE))
    assert with_landmarks(registration, on_canvas).field == with_landmarks(registration, pairs).field


def test_the_step_says_how_far_each_landmark_was_missed(registration):
    quality = (
        with_landmarks(registration, _pairs(registration, [[60, 50], [150, 90]], [[300, 0], [0, 0]]))
        .step("landmarks")
        .quality
    )
    first, second = quality["landmark_error_before"]["value"]
    assert first == pytest.approx(300, rel=0.3)  # measured on the section, which the registration scales
    assert second < 1
    assert max(quality["landmark_error_after"]["value"]) < 1
    assert all(entry["flag"] is None for entry in quality.values())


def test_targets_far_from_the_plane_are_flagged(registration):
    pairs = _pairs(registration, [[60, 50]], [0, 0])
    quality = (
        with_landmarks(registration, LandmarkPairs([[60, 50]], pairs.targets + np.array([500, 0, 0])))
        .step("landmarks")
        .quality
    )
    assert quality["landmarks_off_plane"]["value"] == pytest.approx(500)
    assert "500 um from the section's plane" in quality["landmarks_off_plane"]["flag"]


CROSSED = ([[60, 50], [100, 80], [110, 80]], [[0, 0], [0, 600], [0, -600]])


def test_landmarks_that_fold_are_refused_by_their_numbers(registration):
    with pytest.raises(
        ValueError, match=r"contradict each other. Received: pairs 2 and 3, which fold \d+ px"
    ) as refused:
        with_landmarks(registration, _pairs(registration, *CROSSED))
    assert "\n" not in str(refused.value)


def test_one_place_cannot_be_in_two_places(registration):
    pairs = LandmarkPairs([[60, 50], [90, 60]], [[6000, 3000, 4000]] * 2, numbers=(4, 7))
    with pytest.raises(ValueError, match="pairs 4 and 7, which are one place"):
        with_landmarks(registration, pairs)


def test_landmarks_that_one_pixel_cannot_hold_are_refused(registration):
    points = np.array([[100, 80], [100.5, 80], [100, 80.5], [100.5, 80.5], [100.25, 80.25]])
    with pytest.raises(ValueError, match="pairs 4 and 5, which are too near each other"):
        with_landmarks(registration, _pairs(registration, points, np.outer([0, 0, 0, 0, 10], [0, 1])))


def test_with_smoothing_they_are_missed_until_nothing_folds(registration):
    corrected = with_landmarks(registration, _pairs(registration, *CROSSED), smoothing=0.01)
    assert (corrected.field.jacobian > 0).all()
    assert "fold the field" in corrected.step("landmarks").quality["landmark_error_after"]["flag"]


@pytest.mark.parametrize("smoothing", [0.3, 1.0])
def test_smoothing_is_how_far_they_are_missed(registration, smoothing):
    rng = np.random.default_rng(0)
    pairs = _pairs(registration, rng.uniform(LOW, HIGH, (12, 2)), rng.normal(0, 200, (12, 2)))
    corrected = with_landmarks(registration, pairs, smoothing=smoothing)
    assert np.sqrt((_missed_px(corrected, pairs) ** 2).mean()) == pytest.approx(smoothing, rel=0.15)


def test_more_smoothing_than_is_missed_is_no_correction(registration):
    corrected = with_landmarks(registration, _pairs(registration, [[60, 50]], [100, 0]), smoothing=50)
    assert corrected.step("landmarks").transform.average_displacement < 0.01


@pytest.mark.parametrize(
    ("section_xy", "targets", "message"),
    [
        ([[-20, 50], [60, 50]], [[6000, 3000, 4000]] * 2, "inside the section's image. Received: pair 1,"),
        ([[60, 50]], [[6000, 3000, 90000]], "inside the atlas's slice. Received: pair 1,"),
    ],
)
def test_landmarks_outside_are_refused(registration, section_xy, targets, message):
    with pytest.raises(ValueError, match=message):
        with_landmarks(registration, LandmarkPairs(section_xy, targets))


@pytest.mark.parametrize("smoothing", [-1, np.nan, "much"])
def test_smoothing_is_checked_before_any_work(smoothing):
    with pytest.raises(ValueError, match="landmarks_smoothing must be"):
        register(SECTION, ATLAS, position_um=6000, local_model=_bending, landmarks_smoothing=smoothing)


@pytest.mark.parametrize(
    ("section_xy", "targets"), [([[1, 2], [3, 4]], [[1, 2, 3]]), (np.zeros((0, 2)), np.zeros((0, 3)))]
)
def test_points_without_a_partner_are_refused(section_xy, targets):
    with pytest.raises(ValueError, match="must be pairs, at least one"):
        LandmarkPairs(section_xy, targets)


class TestFile:
    def _write(self, folder, text):
        path = folder / "pairs.csv"
        path.write_text(text)
        return path

    def test_register_reads_it(self, tmp_path, registration):
        pairs = _pairs(registration, [[60, 50]], [100, 0])
        row = ",".join(map(str, [60, 50, *pairs.targets[0]]))
        path = self._write(tmp_path, f"x,y,ap_um,dv_um,ml_um\n{row}\n")
        models = {"global_model": _turning, "local_model": _bending}
        found = register(SECTION, ATLAS, position_um=6000, **models, landmarks=path)
        assert _missed_px(found, pairs).max() < 0.1

    def test_rows_are_told_apart_by_their_section(self, tmp_path):
        path = self._write(tmp_path, "Section,x,y,ap_um,dv_um,ml_um\na.png,1,2,3,4,5\nb,6,7,8,9,10\na.png,2,3,4,5,6\n")
        table = read_landmark_pairs(path)
        assert table.of("a.png").numbers == (1, 3)
        assert table.of("b.png").section_xy.tolist() == [[6, 7]]
        assert table.of("c.png") is None

    def test_targets_may_be_on_the_canvas(self, tmp_path):
        path = self._write(tmp_path, "x;y;canvas_x;canvas_y\n1,5;2;30;40\n")
        pairs = read_landmark_pairs(path).of("any")
        assert pairs.section_xy.tolist() == [[1.5, 2]]
        assert pairs.targets.tolist() == [[30, 40]]

    def test_qupath_counts_from_the_corner(self, tmp_path):
        path = self._write(tmp_path, "Centroid X px,Centroid Y px,ap_um,dv_um,ml_um\n10.5,20.5,1,2,3\n")
        assert read_landmark_pairs(path).of("any").section_xy.tolist() == [[10, 20]]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x,y\n1,2\n", "ap_um, dv_um and ml_um"),
            ("x,y,ap_um,dv_um,ml_um\n", "without a row"),
            ("x,y,ap_um,dv_um,ml_um\n1,2,3,4,\n", "row 2"),
            ("section,x,y,ap_um,dv_um,ml_um\na,1,2,3,4,5\n,1,2,3,4,5\n", "row 2 below the header"),
            ("Centroid X um,Centroid Y um,ap_um,dv_um,ml_um\n1,2,3,4,5\n", "in um"),
        ],
    )
    def test_other_tables_are_refused(self, tmp_path, text, message):
        with pytest.raises(InvalidFileError, match=message):
            read_landmark_pairs(self._write(tmp_path, text))

    def test_a_file_of_other_sections_is_refused_before_models_load(self, tmp_path):
        path = self._write(tmp_path, "section,x,y,ap_um,dv_um,ml_um\nother.png,1,2,3,4,5\n")
        with pytest.raises(ValueError, match=r"must name the section\. Received: s1\.png"):
            register(SECTION, ATLAS, position_um=6000, local_model="nowhere.keras", landmarks=path)
