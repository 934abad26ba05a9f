"""Generators of displacement fields."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import zoo
from atlalign.base import DisplacementField

SHAPE = (40, 56)
SEEDS = st.integers(0, 2**32)
EDGES = np.zeros(SHAPE, dtype=bool)
EDGES[20, 8:48] = True
EDGES[8:32, 28] = True

DRAWING = {
    "diffeomorphic": {"amplitude": 3, "sigma": 6},
    "edge_stretching": {"edge_mask": EDGES, "radius_max": 6},
    "microsoft": {"alpha": 50, "sigma": 5},
    "paper": {"kernel_sigma": 8, "v_min": -2000, "v_max": 2000},
    "single_frequency": {"grid_spacing": 8, "n_perturbation_points": 10},
}
FIXED = {
    "affine": {"matrix": [[1, 0.1, 2], [0, 1, 3]]},
    "affine_simple": {"rotation": 0.1},
    "control_points": {
        "points": np.array([[10, 20]]),
        "values_delta_x": np.array([3]),
        "values_delta_y": np.array([-2]),
    },
    "identity": {},
    "patch_shift": {"ul": (2, 3), "height": 9, "width": 8, "shift_size": 4},
    "projective": {"matrix": [[1, 0, 0], [0, 1, 0], [1e-3, 0, 1]]},
}
EVERY = DRAWING | FIXED


class TestGenerate:
    @pytest.mark.parametrize("approach", EVERY)
    def test_every_approach_makes_a_finite_field_of_the_shape(self, approach):
        df = DisplacementField.generate(SHAPE, approach, **EVERY[approach])
        assert df.shape == SHAPE
        assert df.is_valid

    @pytest.mark.parametrize("approach", DRAWING)
    def test_the_same_seed_gives_the_same_field_and_another_seed_another(self, approach):
        fields = [
            DisplacementField.generate(SHAPE, approach, **DRAWING[approach], random_state=seed)
            for seed in (1, np.random.default_rng(1), 2)
        ]
        assert fields[0] == fields[1] != fields[2]

    @pytest.mark.parametrize("approach", DRAWING)
    def test_the_global_generator_is_left_alone(self, approach):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        DisplacementField.generate(SHAPE, approach, **DRAWING[approach])
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_channels_are_dropped(self):
        assert DisplacementField.generate((*SHAPE, 3)).shape == SHAPE

    @pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4), (0, 4), (2.5, 4)])
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(ValueError, match="shape must be"):
            DisplacementField.generate(shape)

    def test_an_unknown_approach_is_refused_with_the_valid_ones(self):
        with pytest.raises(ValueError, match="one of affine, affine_simple, control_points"):
            DisplacementField.generate(SHAPE, "magic")

    @pytest.mark.parametrize("approach", EVERY)
    def test_an_unknown_argument_is_refused_with_the_valid_ones(self, approach):
        with pytest.raises(ValueError, match="Received: wrong"):
            DisplacementField.generate(SHAPE, approach, **EVERY[approach], wrong=1)


class TestLinear:
    def test_affine_takes_output_to_input_coordinates(self):
        matrix = np.array([[1.2, 0.3, 4], [-0.1, 0.9, 5]])
        f_x, f_y = DisplacementField(*zoo.affine(SHAPE, matrix)).transformation
        expected = matrix @ [50, 30, 1]
        np.testing.assert_allclose([f_x[30, 50], f_y[30, 50]], expected, rtol=1e-6)

    def test_affine_takes_three_rows_too(self):
        matrix = [[1.2, 0.3, 4], [-0.1, 0.9, 5]]
        np.testing.assert_array_equal(zoo.affine(SHAPE, matrix), zoo.affine(SHAPE, [*matrix, [0, 0, 1]]))

    @pytest.mark.parametrize("function", [zoo.affine, zoo.projective])
    def test_no_matrix_is_the_identity(self, function):
        assert not np.any(function(SHAPE))

    @pytest.mark.parametrize("matrix", [np.eye(2), np.eye(4), np.full((2, 3), np.nan)])
    @pytest.mark.parametrize("function", [zoo.affine, zoo.projective])
    def test_other_matrices_are_refused(self, function, matrix):
        with pytest.raises(ValueError, match="matrix must be a finite"):
            function(SHAPE, matrix)

    def test_a_projective_matrix_is_no_affine_one(self):
        with pytest.raises(ValueError, match="Use projective"):
            zoo.affine(SHAPE, [[1, 0, 0], [0, 1, 0], [0.1, 0, 1]])

    def test_scale_maps_output_x_to_that_multiple_of_the_input(self):
        f_x, _ = DisplacementField(*zoo.affine_simple(SHAPE, scale_x=1.9, apply_centering=False)).transformation
        np.testing.assert_allclose(f_x[0], 1.9 * np.arange(SHAPE[1]), rtol=1e-6)

    def test_the_centre_stays_unless_centring_is_off(self):
        centred = zoo.affine_simple((5, 7), scale_x=2, rotation=0.4, shear=0.2)
        assert np.abs(centred)[:, 2, 3].max() < 1e-6
        cornered = zoo.affine_simple((5, 7), scale_x=2, rotation=0.4, shear=0.2, apply_centering=False)
        assert np.abs(cornered)[:, 0, 0].max() == 0

    @given(*[st.floats(-1, 1)] * 2)
    @settings(deadline=None, max_examples=20)
    def test_affine_simple_follows_its_formula(self, rotation, shear):
        sx, sy, tx, ty = 1.2, 0.8, 3, -2
        matrix = [
            [sx * np.cos(rotation), -sy * np.sin(rotation + shear), tx],
            [sx * np.sin(rotation), sy * np.cos(rotation + shear), ty],
        ]
        simple = zoo.affine_simple(SHAPE, sx, sy, rotation, tx, ty, shear, apply_centering=False)
        np.testing.assert_allclose(simple, zoo.affine(SHAPE, matrix), atol=1e-5)

    def test_projective_divides_by_the_third_coordinate(self):
        matrix = np.array([[1.1, 0.1, 2], [0.2, 0.9, 3], [1e-3, 2e-3, 1]])
        f_x, f_y = DisplacementField(*zoo.projective(SHAPE, matrix)).transformation
        x, y, scale = matrix @ [50, 30, 1]
        np.testing.assert_allclose([f_x[30, 50], f_y[30, 50]], [x / scale, y / scale], rtol=1e-6)

    def test_projective_is_not_finite_on_the_horizon_only(self):
        delta_x, delta_y = zoo.projective((3, 5), [[1, 0, 0], [0, 1, 0], [-0.5, 0, 1]])
        finite = np.isfinite(delta_x) & np.isfinite(delta_y)
        assert (~finite).sum(axis=0).tolist() == [0, 0, 3, 0, 0]

    @pytest.mark.parametrize(("direction", "by"), [("U", (0, -3)), ("D", (0, 3)), ("L", (-3, 0)), ("R", (3, 0))])
    def test_patch_shows_what_lies_in_that_direction(self, direction, by):
        deltas = np.stack(zoo.patch_shift((20, 20), (6, 7), 5, 4, 3, direction), axis=-1)
        np.testing.assert_array_equal(deltas[6:11, 7:11], np.broadcast_to(by, (5, 4, 2)))
        assert np.count_nonzero(deltas) == 20

    @pytest.mark.parametrize("kwargs", [{"ul": (-1, 0)}, {"ul": (16, 0)}, {"shift_size": 12}, {"width": 21}])
    def test_a_patch_that_leaves_the_image_is_an_index_error(self, kwargs):
        with pytest.raises(IndexError, match="must lie in the image"):
            zoo.patch_shift((20, 20), **({"ul": (2, 2), "height": 8, "width": 8, "shift_size": 4} | kwargs))

    def test_an_unknown_direction_is_refused(self):
        with pytest.raises(ValueError, match="U, D, L, R"):
            zoo.patch_shift(SHAPE, shift_direction="N")


class TestControlPoints:
    POINTS = np.array([[10, 20], [25, 40], [30, 9]])
    VALUES = np.array([3.0, -2.0, 4.0]), np.array([1.0, 5.0, -3.0])

    @pytest.mark.parametrize("method", ["griddata", "griddata_custom", "rbf"])
    def test_the_field_passes_through_the_points_with_rows_first(self, method):
        delta_x, delta_y = zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method=method)
        at = tuple(self.POINTS.T)
        np.testing.assert_allclose([delta_x[at], delta_y[at]], self.VALUES, atol=1e-3)

    @pytest.mark.parametrize("method", ["griddata", "griddata_custom", "rbf"])
    def test_corners_are_anchored(self, method):
        deltas = zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method=method)
        np.testing.assert_allclose(np.array(deltas)[:, [0, 0, -1, -1], [0, -1, 0, -1]], 0, atol=1e-3)

    def test_without_anchors_one_value_is_the_value_everywhere(self):
        generator = np.random.default_rng(0)
        points = np.stack([generator.integers(0, size, 30) for size in SHAPE], axis=-1)
        delta_x, _ = zoo.control_points(
            SHAPE, points, np.full(30, 2.0), np.zeros(30), False, "griddata", {"method": "nearest"}
        )
        np.testing.assert_array_equal(delta_x, 2)

    def test_a_displaced_corner_stays_displaced(self):
        delta_x, _ = zoo.control_points(SHAPE, np.array([[0, 0]]), np.array([4]), np.array([0]))
        assert delta_x[0, 0] == 4

    def test_both_griddata_methods_agree(self):
        a = zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method="griddata")
        b = zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method="griddata_custom")
        np.testing.assert_allclose(a, b, atol=1e-5)

    def test_bspline_fits_a_smooth_field(self):
        y, x = np.mgrid[: SHAPE[0] : 5, : SHAPE[1] : 5]
        points = np.stack([y.ravel(), x.ravel()], axis=-1)
        delta_x, delta_y = zoo.control_points(
            SHAPE, points, 0.1 * x.ravel(), 0.2 * y.ravel(), False, "bspline", {"s": 0.01}
        )
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        np.testing.assert_allclose(delta_x, 0.1 * columns, atol=0.1)
        np.testing.assert_allclose(delta_y, 0.2 * rows, atol=0.1)

    def test_bspline_says_how_many_points_it_needs(self):
        with pytest.raises(ValueError, match=r"at least 16 control points\. Received: 7"):
            zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method="bspline")

    def test_knots_that_do_not_suit_are_refused_in_one_line(self):
        y, x = np.mgrid[: SHAPE[0] : 5, : SHAPE[1] : 5]
        points, values = np.stack([y.ravel(), x.ravel()], axis=-1), x.ravel()
        with pytest.raises(ValueError, match="box and knots must suit"):
            zoo.control_points(SHAPE, points, values, values, False, "bspline", {"bbox": [20, 30, 10, 20]})

    @pytest.mark.parametrize("method", ["griddata", "griddata_custom", "rbf"])
    def test_points_that_coincide_are_allowed(self, method):
        points = np.array([[10, 20], [10, 20], [25, 40]])
        deltas = zoo.control_points(SHAPE, points, np.ones(3), np.ones(3), interpolation_method=method)
        assert np.isfinite(deltas).all()

    @pytest.mark.parametrize("wrong", range(3))
    def test_lists_are_type_errors(self, wrong):
        arguments = [self.POINTS, *self.VALUES]
        arguments[wrong] = arguments[wrong].tolist()
        with pytest.raises(TypeError, match="must be an array"):
            zoo.control_points(SHAPE, *arguments)

    @pytest.mark.parametrize(
        ("points", "values_x", "values_y"),
        [
            (np.empty((0, 2)), np.empty(0), np.empty(0)),
            (POINTS, np.ones(2), np.ones(3)),
            (POINTS, np.ones(3), np.ones(4)),
            (np.ones((3, 3)), np.ones(3), np.ones(3)),
        ],
    )
    def test_lengths_that_differ_or_none_are_value_errors(self, points, values_x, values_y):
        with pytest.raises(ValueError, match="one value a point"):
            zoo.control_points(SHAPE, points, values_x, values_y)

    @pytest.mark.parametrize("point", [(-1, 0), (40, 0), (0, 56), (0, -0.5)])
    def test_points_outside_the_image_are_index_errors(self, point):
        with pytest.raises(IndexError, match=r"up to \(39, 55\)"):
            zoo.control_points(SHAPE, np.array([point]), np.ones(1), np.ones(1))

    def test_an_unknown_method_is_refused_with_the_valid_ones(self):
        with pytest.raises(ValueError, match="griddata, griddata_custom, bspline, rbf"):
            zoo.control_points(SHAPE, self.POINTS, *self.VALUES, interpolation_method="magic")

    def test_too_few_points_for_a_triangle_are_refused(self):
        with pytest.raises(ValueError, match="at least one triangle"):
            zoo.control_points(SHAPE, self.POINTS[:2], np.ones(2), np.ones(2), False, "griddata_custom")


class TestEdgeStretching:
    @given(SEEDS)
    @settings(deadline=None, max_examples=20)
    def test_only_edge_pixels_are_displaced_by_at_most_the_radius(self, seed):
        delta_x, delta_y = zoo.edge_stretching(
            SHAPE, EDGES, 2, radius_max=5, interpolation_method="griddata_custom", random_state=seed
        )
        norm = np.hypot(delta_x, delta_y)
        assert norm.max() <= 5 + 1e-4
        assert EDGES.flat[norm.argmax()]

    def test_displacements_point_in_every_direction_alike(self):
        # One point a field: the displacement at that point is the drawn vector, x to the right and y down.
        sums = np.zeros(2)
        squares = np.zeros(2)
        single = np.zeros((9, 9), dtype=bool)
        single[4, 4] = True
        generator = np.random.default_rng(0)
        for _ in range(100):
            drawn = np.array(zoo.edge_stretching((9, 9), single, 1, radius_max=3, random_state=generator))[:, 4, 4]
            sums += drawn
            squares += drawn**2
        np.testing.assert_allclose(sums / 100, 0, atol=0.5)
        np.testing.assert_allclose(squares / 100, 3**2 / 3 / 2, rtol=0.4)

    @pytest.mark.parametrize("mask", [None, EDGES.T, EDGES.astype(int)])
    def test_other_masks_are_refused(self, mask):
        with pytest.raises(ValueError, match="edge_mask must be a bool array"):
            zoo.edge_stretching(SHAPE, mask)

    @pytest.mark.parametrize("n_points", [0, 1000])
    def test_more_points_than_edges_are_refused(self, n_points):
        with pytest.raises(ValueError, match="number of candidates, 63"):
            zoo.edge_stretching(SHAPE, EDGES, n_points)


class TestRandomSmooth:
    def test_single_frequency_displaces_nodes_of_the_grid_only(self):
        delta_x, delta_y = zoo.single_frequency(SHAPE, grid_spacing=8, n_perturbation_points=3, random_state=0)
        row, column = np.unravel_index(np.hypot(delta_x, delta_y).argmax(), SHAPE)
        assert row % 8 == column % 8 == 0

    @pytest.mark.parametrize("approach", ["paper", "single_frequency"])
    def test_weights_say_where(self, approach):
        p = np.zeros(SHAPE)
        p[:, :1] = 1
        name = "n_pixels" if approach == "paper" else "n_perturbation_points"
        df = DisplacementField.generate(
            SHAPE,
            approach,
            p=p,
            random_state=0,
            **{name: 3, **({"kernel_sigma": 2} if approach == "paper" else {})},
        )
        assert df.norm[:, 0].max() == df.norm.max() > 0

    @pytest.mark.parametrize("p", [np.ones((3, 3)), -np.ones(SHAPE), np.full(SHAPE, np.nan)])
    def test_other_weights_are_refused(self, p):
        with pytest.raises(ValueError, match="p must hold"):
            zoo.paper(SHAPE, p=p)

    def test_paper_smooths_single_pixels_into_bells(self):
        delta_x, _ = zoo.paper((81, 81), 1, 2000, 2000, kernel_sigma=4, p=np.pad([[1]], 40), random_state=0)
        y, x = np.mgrid[-40:41, -40:41]
        expected = 2000 * np.exp(-(x**2 + y**2) / 32) / (2 * np.pi * 16)
        np.testing.assert_allclose(delta_x, expected, atol=1e-4)

    def test_microsoft_displacements_have_the_size_that_is_documented(self):
        delta_x, delta_y = zoo.paper_microsoft((300, 300), alpha=1000, sigma=10, random_state=0)
        assert np.std([delta_x, delta_y]) == pytest.approx(0.163 * 1000 / 10, rel=0.15)

    @pytest.mark.parametrize(
        ("function", "name"),
        [(zoo.paper, "kernel_sigma"), (zoo.paper_microsoft, "sigma"), (zoo.diffeomorphic, "sigma")],
    )
    @pytest.mark.parametrize("value", [0, -1, np.inf, "3"])
    def test_widths_that_are_not_positive_are_refused(self, function, name, value):
        with pytest.raises(ValueError, match=f"{name} must be a positive"):
            function(SHAPE, **{name: value})


class TestDiffeomorphic:
    @given(SEEDS, st.floats(0.5, 8), st.floats(4, 15))
    @settings(deadline=None, max_examples=25)
    def test_it_never_folds(self, seed, amplitude, sigma):
        df = DisplacementField(*zoo.diffeomorphic(SHAPE, amplitude, sigma, random_state=seed))
        assert df.jacobian.min() > 0

    @given(SEEDS)
    @settings(deadline=None, max_examples=20)
    def test_the_opposite_velocity_is_the_inverse(self, seed):
        velocity = zoo.random_velocity(SHAPE, amplitude=3, sigma=8, random_state=seed)
        there, back = (DisplacementField.from_deltas_xy(zoo.integrate_velocity(v)) for v in (velocity, -velocity))
        assert back(there).norm[8:-8, 8:-8].max() < 0.1

    def test_the_velocity_of_a_seed_integrates_to_its_field(self):
        velocity = zoo.random_velocity(SHAPE, 3, 8, random_state=5)
        field = np.stack(zoo.diffeomorphic(SHAPE, 3, 8, random_state=5), axis=-1)
        np.testing.assert_array_equal(zoo.integrate_velocity(velocity), field)

    def test_a_rotation_velocity_integrates_to_the_rotation(self):
        y, x = np.mgrid[-30:31, -30:31].astype(float)
        angle = 0.5
        velocity = np.stack([-angle * y, angle * x], axis=-1)
        expected = np.stack(zoo.affine_simple((61, 61), rotation=angle), axis=-1)
        got = zoo.integrate_velocity(velocity)
        np.testing.assert_allclose(got[20:41, 20:41], expected[20:41, 20:41], atol=0.02)

    def test_no_amplitude_is_the_identity(self):
        assert not np.any(zoo.diffeomorphic(SHAPE, amplitude=0))

    def test_a_negative_amplitude_is_refused(self):
        with pytest.raises(ValueError, match="amplitude"):
            zoo.diffeomorphic(SHAPE, amplitude=-1)

    @pytest.mark.parametrize("velocity", [np.zeros((3, 4)), np.zeros((3, 4, 3)), np.full((3, 4, 2), np.nan)])
    def test_other_velocities_are_refused(self, velocity):
        with pytest.raises(ValueError, match="velocity_xy must be"):
            zoo.integrate_velocity(velocity)

    def test_negative_steps_are_refused(self):
        with pytest.raises(ValueError, match="steps"):
            zoo.integrate_velocity(np.zeros((3, 4, 2)), steps=-1)
