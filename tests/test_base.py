"""DisplacementField: construction, measures, composition, points, files."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates

from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
BIG_SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=24, max_side=40)
SEEDS = st.integers(0, 2**32)


def random_field(shape, seed, scale=3.0):
    return DisplacementField(*np.random.default_rng(seed).normal(scale=scale, size=(2, *shape)))


def smooth_field(shape, seed, amplitude=1.0):
    return DisplacementField.generate(shape, "diffeomorphic", amplitude=amplitude, sigma=6, random_state=seed)


def translation(shape, x, y=0.0):
    return DisplacementField(np.full(shape, x), np.full(shape, y))


def identity(shape):
    return DisplacementField.generate(shape)


class TestConstruction:
    def test_components_are_float32_copies(self):
        delta_x = np.ones((2, 3))
        df = DisplacementField(delta_x, delta_x)
        delta_x[:] = 9
        assert df.delta_x.dtype == df.delta_y.dtype == np.float32
        assert df.delta_x.max() == 1

    @pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 3, 4)])
    def test_other_dimensions_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"Received: float64 of shape"):
            DisplacementField(np.zeros(shape), np.zeros(shape))

    def test_shapes_that_differ_are_refused(self):
        with pytest.raises(ValueError, match=r"Received: \(2, 3\) and \(3, 2\)"):
            DisplacementField(np.zeros((2, 3)), np.zeros((3, 2)))

    def test_text_is_refused(self):
        with pytest.raises(ValueError, match="real numbers"):
            DisplacementField([["a"]], [["b"]])

    def test_stacked_components_round_trip(self):
        df = random_field((4, 5), 0)
        assert df.deltas_xy.shape == (4, 5, 2)
        assert DisplacementField.from_deltas_xy(df.deltas_xy) == df

    def test_stacked_components_of_another_shape_are_refused(self):
        with pytest.raises(ValueError, match=r"\(h, w, 2\)"):
            DisplacementField.from_deltas_xy(np.zeros((2, 4, 5)))

    def test_transformation_round_trips(self):
        df = random_field((4, 5), 0)
        again = DisplacementField.from_transform(*df.transformation)
        np.testing.assert_allclose(again.deltas_xy, df.deltas_xy, atol=1e-6)

    def test_not_a_number_is_kept_and_reported(self):
        df = DisplacementField([[np.nan, 0]], [[0, 0]])
        assert not df.is_valid
        assert identity((2, 2)).is_valid

    def test_a_displacement_beyond_float32_is_reported(self):
        assert not DisplacementField([[1e300]], [[0]]).is_valid


class TestEqualityAndArithmetic:
    @settings(deadline=None, max_examples=25)
    @given(SHAPES, SEEDS)
    def test_equal_fields_hash_alike(self, shape, seed):
        a, b = random_field(shape, seed), random_field(shape, seed)
        assert a == b
        assert hash(a) == hash(b)

    def test_minus_zero_and_zero_are_equal_and_hash_alike(self):
        a, b = DisplacementField([[0.0]], [[-0.0]]), DisplacementField([[-0.0]], [[0.0]])
        assert a == b
        assert len({a, b}) == 1

    def test_not_a_number_equals_itself(self):
        a, b = (DisplacementField([[np.nan]], [[1]]) for _ in range(2))
        assert a == b
        assert len({a, b}) == 1

    def test_other_shapes_and_types_are_not_equal(self):
        assert identity((2, 3)) != identity((3, 2))
        assert identity((2, 3)) != "identity"

    @pytest.mark.parametrize("factor", [2, 2.0, np.float32(2), np.float64(2), np.int16(2)])
    def test_multiplies_by_any_real_number_from_either_side(self, factor):
        df = random_field((3, 4), 0)
        assert df * factor == factor * df == DisplacementField(2 * df.delta_x, 2 * df.delta_y)

    @pytest.mark.parametrize("factor", ["2", 1j, np.ones((3, 4)), None])
    def test_multiplying_by_anything_else_is_a_type_error(self, factor):
        with pytest.raises(TypeError):
            random_field((3, 4), 0) * factor


class TestMeasures:
    def test_norm_and_average_displacement(self):
        df = translation((3, 4), 3, 4)
        np.testing.assert_array_equal(df.norm, 5)
        assert df.average_displacement == 5

    def test_scaled_components_are_shares_of_the_size(self):
        df = translation((4, 10), 5, 2)
        assert (df.delta_x_scaled[0, 0], df.delta_y_scaled[0, 0]) == (0.5, 0.5)

    def test_n_pixels_counts(self):
        assert identity((3, 7)).n_pixels == 21

    @settings(deadline=None, max_examples=25)
    @given(
        st.tuples(*[st.floats(-1.5, 1.5)] * 4),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8),
    )
    def test_jacobian_of_an_affine_field_is_its_determinant(self, parts, shape):
        matrix = np.array(parts).reshape(2, 2)
        df = DisplacementField.generate(shape, "affine", matrix=np.column_stack([matrix, [3, -2]]))
        np.testing.assert_allclose(df.jacobian, np.linalg.det(matrix), atol=1e-4)

    def test_jacobian_along_an_axis_of_one_pixel_does_not_change(self):
        np.testing.assert_array_equal(translation((1, 5), 3).jacobian, 1)

    def test_jacobian_is_negative_where_the_field_folds(self):
        assert (DisplacementField.generate((5, 9), "affine_simple", scale_x=-1).jacobian < 0).all()

    def test_outsiders_take_their_value_from_outside(self):
        expected = np.zeros((3, 6), dtype=bool)
        expected[:, -2:] = True
        np.testing.assert_array_equal(translation((3, 6), 2).outsiders, expected)

    def test_summary_names_plain_numbers(self):
        summary = translation((3, 6), 2).summary
        assert summary["delta_x_max"] == summary["norm_mean"] == 2
        assert summary["share_outside"] == pytest.approx(1 / 3)
        assert all(isinstance(value, int | float) for value in summary.values())


class TestComposition:
    @settings(deadline=None, max_examples=25)
    @given(SHAPES, SEEDS)
    def test_the_identity_changes_nothing_on_either_side(self, shape, seed):
        df = random_field(shape, seed)
        assert df(identity(shape)) == df
        np.testing.assert_allclose(identity(shape)(df).deltas_xy, df.deltas_xy, atol=1e-6)

    @settings(deadline=None, max_examples=25)
    @given(SHAPES, st.lists(st.floats(-500, 500), min_size=4, max_size=4))
    def test_two_translations_add_up_everywhere(self, shape, by):
        composed = translation(shape, by[0], by[1])(translation(shape, by[2], by[3]))
        expected = translation(shape, by[0] + by[2], by[1] + by[3])
        np.testing.assert_allclose(composed.deltas_xy, expected.deltas_xy, atol=1e-3)

    @settings(deadline=None, max_examples=25)
    @given(BIG_SHAPES, SEEDS)
    def test_is_exact_against_a_float64_reference(self, shape, seed):
        outer, inner = random_field(shape, seed), random_field(shape, seed + 1)
        x, y = inner.transformation
        at = [np.clip(np.float64(y), 0, shape[0] - 1), np.clip(np.float64(x), 0, shape[1] - 1)]
        composed = outer(inner)
        for got, own, other in (
            (composed.delta_x, inner.delta_x, outer.delta_x),
            (composed.delta_y, inner.delta_y, outer.delta_y),
        ):
            expected = own + map_coordinates(np.float64(other), at, order=1, mode="nearest")
            np.testing.assert_allclose(got, expected, atol=1e-4)

    @settings(deadline=None, max_examples=25)
    @given(BIG_SHAPES, SEEDS)
    def test_is_associative_within_interpolation(self, shape, seed):
        f, g, h = (smooth_field(shape, seed + i) for i in range(3))
        difference = (f(g)(h).deltas_xy - f(g(h)).deltas_xy)[5:-5, 5:-5]  # where nothing comes from outside
        np.testing.assert_allclose(difference, 0, atol=0.1)

    def test_f_of_g_warps_as_g_after_f(self):
        shape = (60, 80)
        y, x = np.mgrid[: shape[0], : shape[1]]
        img = (np.sin(x / 9) * np.cos(y / 7)).astype(np.float32)
        f = DisplacementField.generate(shape, "affine_simple", rotation=0.2, translation_x=3)
        g = smooth_field(shape, 0, amplitude=3)
        inner = (slice(20, -20), slice(25, -25))
        np.testing.assert_allclose(f(g).warp(img)[inner], g.warp(f.warp(img))[inner], atol=0.01)
        assert np.abs(g(f).warp(img)[inner] - g.warp(f.warp(img))[inner]).max() > 0.05

    def test_other_borders_can_be_chosen(self):
        df = translation((3, 6), 4)
        np.testing.assert_array_equal(df(df, border_mode="constant").delta_x[0], [8, 8, 4, 4, 4, 4])

    def test_other_shapes_are_refused(self):
        with pytest.raises(ValueError, match="same shape"):
            identity((2, 3))(identity((3, 2)))

    def test_other_types_are_refused(self):
        with pytest.raises(TypeError, match="Received: ndarray"):
            identity((2, 3))(np.zeros((2, 3)))

    @pytest.mark.parametrize("order", [0, 1])
    def test_fields_that_are_not_finite_are_refused(self, order):
        fields = [identity((1, 2)), DisplacementField([[np.nan, 0]], [[0, 0]])]
        with pytest.raises(ValueError, match="must be finite"):
            fields[order](fields[1 - order])


class TestPoints:
    def test_pixel_centres_move_by_their_displacement(self):
        df = random_field((4, 5), 0)
        y, x = np.mgrid[:4, :5]
        points = np.stack([x.ravel(), y.ravel()], axis=-1)
        np.testing.assert_allclose(df.sample(points), df.deltas_xy.reshape(-1, 2))
        np.testing.assert_allclose(df.transform_points(points), points + df.deltas_xy.reshape(-1, 2))

    @settings(deadline=None, max_examples=25)
    @given(SEEDS)
    def test_points_compose_as_fields_do(self, seed):
        f, g = smooth_field((30, 40), seed, 2), smooth_field((30, 40), seed + 1, 2)
        y, x = np.mgrid[:30, :40]
        points = np.stack([x.ravel(), y.ravel()], axis=-1)
        np.testing.assert_allclose(
            f(g).transform_points(points), f.transform_points(g.transform_points(points)), atol=1e-4
        )

    def test_points_find_the_colour_that_the_picture_shows(self):
        y, x = np.mgrid[:30, :40].astype(np.float32)
        df = smooth_field((30, 40), 0, 2)
        points = np.array([[10, 12], [20, 15]])
        moved = df.transform_points(points)
        np.testing.assert_allclose(df.warp(x)[points[:, 1], points[:, 0]], moved[:, 0], atol=1e-4)
        np.testing.assert_allclose(df.warp(y)[points[:, 1], points[:, 0]], moved[:, 1], atol=1e-4)

    def test_no_points_give_no_points(self):
        assert identity((3, 4)).transform_points(np.empty((0, 2))).shape == (0, 2)

    @pytest.mark.parametrize("points", [[1, 2], [[1, 2, 3]], [[np.nan, 0]]])
    def test_other_points_are_refused(self, points):
        with pytest.raises(ValueError, match=r"finite and \(n, 2\)"):
            identity((3, 4)).sample(points)


class TestFiles:
    @settings(deadline=None, max_examples=20)
    @given(SHAPES, SEEDS)
    def test_saving_and_loading_is_lossless(self, tmp_path_factory, shape, seed):
        path = tmp_path_factory.mktemp("field") / "df.npy"
        df = random_field(shape, seed)
        df.save(path)
        assert DisplacementField.from_file(path) == df

    def test_the_file_is_plain_numpy(self, tmp_path):
        df = random_field((3, 4), 0)
        df.save(tmp_path / "df.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "df.npy"), df.deltas_xy)
        assert [path.name for path in tmp_path.iterdir()] == ["df.npy"]

    def test_integers_and_doubles_are_read(self, tmp_path):
        np.save(tmp_path / "df.npy", np.ones((3, 4, 2), dtype=np.int64))
        assert DisplacementField.from_file(tmp_path / "df.npy") == translation((3, 4), 1, 1)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"missing\.npy"):
            DisplacementField.from_file(tmp_path / "missing.npy")

    @staticmethod
    def contents():
        whole = io.BytesIO()
        np.save(whole, np.zeros((30, 40, 2), dtype=np.float32))
        pickled = io.BytesIO()
        np.save(pickled, np.array([[[{}, {}]]], dtype=object), allow_pickle=True)
        zipped = io.BytesIO()
        np.savez(zipped, deltas=np.zeros((3, 4, 2)))
        named = {
            "empty": b"",
            "truncated": whole.getvalue()[:-100],
            "header only": whole.getvalue()[:40],
            "pickled": pickled.getvalue(),
            "zipped": zipped.getvalue(),
            "text": b"hello world, this is no array",
        }
        for name, array in {
            "shape": np.zeros((3, 4)),
            "channels": np.zeros((3, 4, 3)),
            "words": np.full((3, 4, 2), "a"),
            "complex": np.zeros((3, 4, 2), dtype=complex),
            "no pixels": np.zeros((0, 4, 2)),
        }.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            named[name] = buffer.getvalue()
        return named

    @pytest.mark.parametrize(
        "name",
        [
            "empty",
            "truncated",
            "header only",
            "pickled",
            "zipped",
            "text",
            "shape",
            "channels",
            "words",
            "complex",
            "no pixels",
        ],
    )
    def test_files_that_hold_something_else_are_refused_in_one_line(self, tmp_path, name):
        path = tmp_path / "df.npy"
        path.write_bytes(self.contents()[name])
        with pytest.raises(InvalidFileError, match=r"Received: .*df\.npy") as error:
            DisplacementField.from_file(path)
        assert "\n" not in str(error.value)

    def test_saving_into_a_missing_folder_says_how_to_make_it(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="mkdir"):
            identity((2, 2)).save(tmp_path / "no" / "df.npy")
