"""Registration: known answers, directions, sides, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import Atlas, DisplacementField, Plane, Registrar, Section, register, register_images
from atlalign.errors import ModelError
from atlalign.registration.result import Registration
from atlalign.section.canvas import Canvas
from atlalign.section.resampling import apply_affine, compose_affine, invert_affine

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)
MARKER = ATLAS.structures["MRK"].id
MARKER_POSITION_UM = 7400


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _predicting(matrix):
    """Return a predictor of the pull-back field of an affine map."""

    def predict(reference, moving):
        grid = np.stack(np.meshgrid(np.arange(moving.shape[1]), np.arange(moving.shape[0])), axis=-1)
        return apply_affine(matrix, grid) - grid

    return predict


def _turned_plane(position_um=6000.0, angle_deg=7.0, size_um=(11800.0, 8600.0), middle=(4200.0, 5500.0)):
    angle = np.deg2rad(angle_deg)
    u = size_um[0] * np.array([0, np.sin(angle), np.cos(angle)])
    v = size_um[1] * np.array([0, np.cos(angle), -np.sin(angle)])
    return Plane(np.array([position_um, *middle]) - u / 2 - v / 2, u, v)


def _truth():
    """Return a section whose place in the atlas is known, and the affine map that a network should find."""
    plane, shape = _turned_plane(), (215, 295)
    section = Section(ATLAS.reference_plane(plane, shape), pixel_size_um=40)
    canvas = Canvas.by_tissue(section, ATLAS, 6000, SHAPE)
    corners = np.array([[0.0, 0], [1, 0], [0, 1]])
    there = canvas.section_to_canvas(plane.um_to_pixels(canvas.plane.pixels_to_um(corners, SHAPE), shape))
    matrix = np.column_stack([there[1] - there[0], there[2] - there[0], there[0]])
    return section, plane, matrix


def _agreement(labels, truth):
    """Return the Dice score over structures, weighted by size."""
    either = (labels > 0) | (truth > 0)
    return np.mean(labels[either] == truth[either])


class TestKnownAnswer:
    section, plane, matrix = _truth()
    registration = register(section, ATLAS, position_um=6000, local_model=_predicting(matrix))

    def test_labels_are_those_of_the_plane_that_the_section_shows(self):
        truth = ATLAS.annotation_plane(self.plane, self.section.shape)
        before = register(self.section, ATLAS, position_um=6000, local_model=_nothing_to_do).labels()
        assert _agreement(self.registration.labels(), truth) > 0.99
        assert _agreement(before, truth) < 0.8

    def test_labels_have_the_sections_size_and_type(self):
        labels = self.registration.labels()
        assert labels.shape == self.section.shape
        assert labels.dtype == np.uint32

    def test_points_of_the_section_lie_where_the_section_was_taken(self):
        points = np.random.default_rng(0).uniform([40, 40], [250, 170], (200, 2))
        found = self.registration.section_to_atlas(points)
        truth = self.plane.pixels_to_um(points, self.section.shape)
        assert np.abs(found - truth).max() < 0.02 * 40

    def test_points_of_the_atlas_lie_where_the_section_shows_them(self):
        points = np.random.default_rng(0).uniform([40, 40], [250, 170], (200, 2))
        found = self.registration.atlas_to_section(self.plane.pixels_to_um(points, self.section.shape))
        assert np.abs(found - points).max() < 0.02

    def test_the_registered_image_is_the_reference(self):
        registered, reference = self.registration.warp(), self.registration.reference
        assert registered.shape == SHAPE
        assert np.corrcoef(registered.ravel(), reference.ravel())[0, 1] > 0.99

    def test_areas_are_those_of_the_labels(self):
        areas = self.registration.structure_areas().set_index("id")
        identifiers, counts = np.unique(self.registration.labels(), return_counts=True)
        expected = dict(zip(identifiers[1:].tolist(), counts[1:].tolist(), strict=True))
        assert areas["pixels"].to_dict() == expected
        assert np.allclose(areas["total_area_mm2"], areas["pixels"] * 0.04**2)
        assert np.allclose(areas["left_area_mm2"] + areas["right_area_mm2"], areas["total_area_mm2"])

    def test_quality_says_that_it_got_better(self):
        quality = self.registration.quality()
        assert quality["correlation_after"]["value"] > quality["correlation_before"]["value"]
        assert quality["tissue_overlap_after"]["value"] > 0.97
        assert quality["folded"] == {"value": 0.0, "unit": "percent", "flag": None}
        assert quality["pixel_size_source"]["flag"] is None

    def test_a_window_of_the_labels_is_a_part_of_them(self):
        part = self.registration.labels((30, 50, 70, 20))
        assert np.array_equal(part, self.registration.labels()[50:70, 30:100])

    def test_labels_do_not_depend_on_how_much_is_done_at_once(self, monkeypatch):
        whole = self.registration.labels()
        monkeypatch.setattr("atlalign.registration.point_map._POINTS_AT_ONCE", 1000)
        assert np.array_equal(self.registration.labels(), whole)
        assert self.registration.structure_areas()["pixels"].sum() == np.count_nonzero(whole)

    @pytest.mark.parametrize("window", [(0, 0, 0, 5), (-1, 0, 5, 5), (290, 0, 6, 5)])
    def test_a_window_outside_the_section_is_refused(self, window):
        with pytest.raises(ValueError, match="inside the section of 295 x 215 px"):
            self.registration.labels(window)

    def test_the_steps_are_listed_with_their_inverses(self):
        canvas, local = self.registration.steps
        assert (canvas.name, local.name) == ("canvas", "local")
        assert np.allclose(compose_affine(canvas.inverse, canvas.transform), np.eye(2, 3), atol=1e-9)
        inside = local.transform(local.inverse).norm[20:60, 20:90]
        assert inside.max() < 0.01

    @pytest.mark.parametrize("points", [[[1, 2, 3]], [1, 2], [[np.nan, 1]]])
    def test_points_of_another_shape_are_refused(self, points):
        with pytest.raises(ValueError, match="Points must be finite"):
            self.registration.section_to_atlas(points)

    def test_no_points_give_no_points(self):
        assert self.registration.section_to_atlas(np.empty((0, 2))).shape == (0, 3)
        assert self.registration.atlas_to_section(np.empty((0, 3))).shape == (0, 2)


def test_the_local_field_is_applied_to_what_the_global_field_made():
    section, _, matrix = _truth()
    shift = np.array([[1.0, 0, 6], [0, 1, -4]])
    rest = compose_affine(invert_affine(shift), matrix)
    registration = register(
        section, ATLAS, position_um=6000, global_model=_predicting(shift), local_model=_predicting(rest)
    )
    assert [step.name for step in registration.steps] == ["canvas", "global", "local"]
    expected = DisplacementField.from_deltas_xy(_predicting(matrix)(None, np.zeros(SHAPE)))
    assert np.abs(registration.field.deltas_xy - expected.deltas_xy).max() < 1e-3


def test_the_local_model_sees_the_globally_warped_image():
    seen = []

    def watching(reference, moving):
        seen.append((reference, moving))
        return _nothing_to_do(reference, moving)

    shift = _predicting(np.array([[1.0, 0, 5], [0, 1, 0]]))
    generator = np.random.default_rng(0)
    moving, reference = np.zeros((2, 30, 40), np.float32)
    moving[10:20, 10:30], reference[12:22, 8:28] = generator.random((2, 10, 20))
    register_images(moving, reference, global_model=shift, local_model=watching)
    assert np.array_equal(seen[0][0], reference)
    assert np.allclose(seen[0][1][:, :35], moving[:, 5:])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-20, 20))
def test_section_to_atlas_and_back_ends_where_it_began(seed, angle):
    generator = np.random.default_rng(seed)
    plane = _turned_plane(angle_deg=angle)
    section = Section(np.zeros((430, 590), np.uint8))
    canvas = Canvas.by_anchoring(section, ATLAS, plane, SHAPE)
    y, x = np.indices(SHAPE)
    waves = [
        3 * np.sin(x / generator.uniform(9, 20) + generator.uniform(0, 6))
        * np.cos(y / generator.uniform(9, 20) + generator.uniform(0, 6))
        for _ in range(2)
    ]  # fmt: skip
    registration = Registration(section, ATLAS, canvas, [("local", DisplacementField(*waves))])
    points = generator.uniform([80, 80], [500, 350], (100, 2))
    back = registration.atlas_to_section(registration.section_to_atlas(points))
    assert np.abs(back - points).max() < 0.01


def test_labels_are_the_structures_at_the_atlas_points_of_the_pixels():
    registration = TestKnownAnswer.registration
    columns, rows = np.meshgrid(np.arange(60, 240, 7), np.arange(50, 160, 7))
    points = np.stack([columns.ravel(), rows.ravel()], axis=1)
    expected = ATLAS.annotation_at(registration.section_to_atlas(points))
    assert np.mean(registration.labels()[points[:, 1], points[:, 0]] == expected) > 0.995


class TestSides:
    def test_in_a_coronal_section_the_images_right_is_the_animals_left(self):
        section = Section(ATLAS.reference_plane(MARKER_POSITION_UM, (160, 228)), pixel_size_um=50)
        registration = register(section, ATLAS, position_um=MARKER_POSITION_UM, local_model=_nothing_to_do)
        self._check(registration, "right")

    def test_a_mirrored_anchoring_gives_the_marker_on_the_other_side_of_the_image_only(self):
        section, plane = self._quicknii(mirrored=True)
        registration = register(section, ATLAS, plane=plane, local_model=_nothing_to_do)
        self._check(registration, "left")

    def test_an_anchoring_from_right_to_left_keeps_the_marker_on_the_right(self):
        section, plane = self._quicknii(mirrored=False)
        self._check(register(section, ATLAS, plane=plane, local_model=_nothing_to_do), "right")

    @pytest.mark.parametrize("mirrored", [True, False])
    def test_the_networks_see_asr_whatever_the_anchoring(self, mirrored):
        section, plane = self._quicknii(mirrored)
        registration = register(section, ATLAS, plane=plane, local_model=_nothing_to_do)
        assert np.corrcoef(registration.moving.ravel(), registration.reference.ravel())[0, 1] > 0.98
        assert np.array_equal(
            registration.labels()[::20, ::20], ATLAS.annotation_plane(plane, section.shape)[::20, ::20]
        )

    @staticmethod
    def _quicknii(mirrored):
        """Return the section of an anchoring; QuickNII counts x from the animal's left."""
        y = 528 - MARKER_POSITION_UM / 25
        x, u = (0, 456) if mirrored else (456, -456)
        plane = Plane.from_quicknii([x, y, 320, u, 0, 0, 0, 0, -320])
        return Section(ATLAS.reference_plane(plane, (160, 228)), name="s"), plane

    @staticmethod
    def _check(registration, side):
        labels = registration.labels()
        columns = np.nonzero(labels == MARKER)[1]
        assert columns.size > 20
        middle = labels.shape[1] / 2
        assert (columns > middle).all() if side == "right" else (columns < middle).all()
        assert registration.canvas.animal_left == side
        areas = registration.structure_areas().set_index("acronym").loc["MRK"]
        assert areas["left_area_mm2"] > 0
        assert areas["right_area_mm2"] == 0


class TestOblique:
    def test_labels_of_a_tilted_section_are_those_of_its_plane(self):
        u, v = np.array([900.0, 300, 9800]), np.array([-700.0, 7300, -200])
        plane = Plane(np.array([6300.0, 4000, 5700]) - u / 2 - v / 2, u, v)
        section = Section(ATLAS.reference_plane(plane, (300, 400)))
        registration = register(section, ATLAS, plane=plane, global_model=_nothing_to_do)
        assert _agreement(registration.labels(), ATLAS.annotation_plane(plane, section.shape)) > 0.995
        points = np.array([[10.0, 20], [300, 100]])
        expected = plane.pixels_to_um(points, section.shape)
        assert np.allclose(registration.section_to_atlas(points), expected, atol=0.01)

    def test_points_off_the_plane_are_projected_onto_it(self):
        registration = TestKnownAnswer.registration
        on_it, off_it = np.array([[[6000.0, 4000, 5000]], [[6500.0, 4000, 5000]]])
        assert np.allclose(registration.atlas_to_section(off_it), registration.atlas_to_section(on_it))

    def test_pixels_off_the_canvas_have_no_structure(self):
        plane = Plane([6000, -8000, -11400], [0, 0, 3 * 11400], [0, 3 * 8000, 0])
        section = Section(ATLAS.reference_plane(plane, (120, 171)))
        labels = register(section, ATLAS, plane=plane, local_model=_nothing_to_do).labels()
        assert not labels[:39].any()
        assert labels[40:80, 57:114].any()


class TestWarp:
    registration = TestKnownAnswer.registration

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("channels", [(), (3,), (5,)])
    def test_any_image_of_the_sections_size_can_be_warped(self, dtype, channels):
        image = np.full((*self.registration.section.shape, *channels), 7, dtype)
        warped = self.registration.warp(image)
        assert warped.shape == (*SHAPE, *channels)
        assert warped.dtype == dtype
        assert (warped[30:50, 40:70] == 7).all()

    def test_an_image_of_another_size_is_refused(self):
        with pytest.raises(ValueError, match="section's height and width"):
            self.registration.warp(np.zeros((5, 5), np.uint8))

    @pytest.mark.parametrize("dtype", ["int32", "int64", "bool", "float16", "uint32"])
    def test_an_image_of_a_dtype_that_cannot_be_interpolated_is_refused_in_one_line(self, dtype):
        with pytest.raises(ValueError, match=f"uint8, uint16, float32 or float64.*{dtype}") as caught:
            self.registration.warp(np.zeros(self.registration.section.shape, dtype))
        assert "\n" not in str(caught.value)

    def test_the_order_of_the_bytes_does_not_matter(self):
        image = np.full(self.registration.section.shape, 900, ">u2")
        assert self.registration.warp(image)[40, 57] == 900


class TestDefaultModels:
    def test_without_models_both_default_ones_are_used(self):
        registrar = Registrar("phantom:100")
        assert registrar.shape == (160, 228)
        registration = registrar.register(TestRefused.section, position_um=6000)
        assert [step.name for step in registration.steps] == ["canvas", "global", "local"]

    def test_a_default_model_may_be_asked_for_alone(self):
        registration = register(TestRefused.section, ATLAS, position_um=6000, global_model="default")
        assert [step.name for step in registration.steps] == ["canvas", "global"]
        assert registration.canvas.shape == ATLAS.shape[1:]

    def test_a_default_model_goes_beside_one_of_ones_own(self):
        registrar = Registrar("phantom:100", global_model="default", local_model=_nothing_to_do)
        registration = registrar.register(Section(ATLAS.reference_plane(6000), pixel_size_um=100), position_um=6000)
        assert [step.name for step in registration.steps] == ["canvas", "global", "local"]
        assert not registration.steps[2].transform.norm.any()

    def test_one_model_alone_is_used_alone(self):
        registration = register(TestRefused.section, ATLAS, position_um=6000, local_model=_nothing_to_do)
        assert [step.name for step in registration.steps] == ["canvas", "local"]


class TestVariations:
    def test_their_disagreement_is_part_of_the_quality(self):
        registrar = Registrar(ATLAS, local_model=_nothing_to_do)
        registration = registrar.register(TestRefused.section, position_um=6000, variations=2)
        # A model that never moves anything leaves each variation where it was put: some hundred um aside.
        assert 20 < registration.quality()["disagreement_median"]["value"] < 500
        assert registration.with_step("more", registration.field).disagreement is None

    def test_without_them_it_is_not_known(self):
        registration = Registrar(ATLAS, local_model=_nothing_to_do).register(TestRefused.section, position_um=6000)
        assert registration.disagreement is None


class TestRefused:
    section = Section(ATLAS.reference_plane(6000), pixel_size_um=100)

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ({"position_um": 6000, "plane": ATLAS.plane(6000)}, "At most one of position_um and plane"),
            ({"plane": ATLAS.plane(6000), "auto_orient": True}, "auto_orient must not be combined with plane"),
        ],
    )
    def test_what_says_where_the_section_lies_must_not_contradict(self, where, message):
        with pytest.raises(ValueError, match=message):
            register(self.section, ATLAS, local_model=_nothing_to_do, **where)

    @pytest.mark.parametrize("position_um", [-1, 13200, 20000])
    def test_a_position_outside_the_atlas_is_refused(self, position_um):
        with pytest.raises(ValueError, match="0 <= position_um < 13200"):
            register(self.section, ATLAS, position_um=position_um, local_model=_nothing_to_do)

    def test_a_section_without_tissue_is_refused(self):
        blank = Section(np.zeros((50, 60), np.uint8), name="blank")
        for where in ({"position_um": 6000}, {"plane": ATLAS.plane(6000)}):
            with pytest.raises(ValueError, match="blank"):
                register(blank, ATLAS, local_model=_nothing_to_do, **where)

    def test_a_missing_section_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="section"):
            register(tmp_path / "no.tif", ATLAS, position_um=6000, local_model=_nothing_to_do)

    def test_something_that_is_no_model_is_refused(self):
        with pytest.raises(TypeError, match="global model must be a path"):
            Registrar(ATLAS, global_model=7)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_prediction_that_is_not_finite_is_refused(self, bad):
        def predict(reference, moving):
            return np.full((*reference.shape, 2), bad)

        with pytest.raises(ModelError, match="local model must predict a finite field"):
            register(self.section, ATLAS, position_um=6000, local_model=predict)

    def test_a_prediction_of_another_shape_is_refused(self):
        with pytest.raises(ModelError, match="field of shape"):
            register(self.section, ATLAS, position_um=6000, local_model=lambda r, m: np.zeros((3, 3, 2)))


class TestQuality:
    def test_an_estimated_pixel_size_is_flagged(self):
        section = Section(ATLAS.reference_plane(6000, (160, 228)))
        registration = register(section, ATLAS, position_um=6000, local_model=_nothing_to_do)
        assert "estimated" in registration.quality()["pixel_size_source"]["flag"]

    def test_a_folding_field_is_flagged_with_its_share(self):
        generator = np.random.default_rng(0)

        def folding(reference, moving):
            return generator.normal(0, 3, (*reference.shape, 2))

        quality = register(TestRefused.section, ATLAS, position_um=6000, local_model=folding).quality()
        assert quality["folded"]["value"] > 1
        assert "folds" in quality["folded"]["flag"]

    def test_getting_worse_is_flagged(self):
        shift = _predicting(np.array([[1.0, 0, 25], [0, 1, 0]]))
        quality = register(TestRefused.section, ATLAS, position_um=6000, local_model=shift).quality()
        assert quality["correlation_after"]["flag"]
        assert "less after registration" in quality["tissue_overlap_after"]["flag"]
        assert quality["mean_displacement"]["value"] == pytest.approx(2500, abs=1)
        assert quality["mean_displacement"]["flag"]
