"""Volumes of sections and the planes between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d

from atlalign import Atlas, DisplacementField
from atlalign.volume import CoronalInterpolator, GappedVolume, Volume

COPYING = ["nearest", "nearest-up", "previous", "zero", "next"]
LINEAR = ["linear", "slinear"]
N_PLANES = 40


def sections(seed, share_nan=0.0, n=9, shape=(3, 5), dtype="float64"):
    generator = np.random.default_rng(seed)
    sn = generator.choice(np.arange(2, N_PLANES - 3), n, replace=False)
    imgs = generator.uniform(-50, 50, (n, *shape)).astype(dtype)
    imgs[generator.random(imgs.shape) < share_nan] = np.nan
    return GappedVolume(sn, imgs)


def pixel_by_pixel(gv, kind, fill_value):
    out = np.empty((N_PLANES, *gv.shape))
    for row, column in np.ndindex(gv.shape):
        values = gv.imgs[:, row, column]
        known = ~np.isnan(values)
        function = interp1d(gv.sn[known], values[known], kind=kind, fill_value=fill_value, bounds_error=False)
        out[:, row, column] = function(np.arange(N_PLANES))
    return out


class TestCoronalInterpolator:
    @pytest.mark.parametrize("kind", [*LINEAR, *COPYING, "quadratic", "cubic"])
    @pytest.mark.parametrize("fill_value", [0, (-7.0, 8.0)])
    def test_whole_sections_give_what_scipy_gives_pixel_by_pixel(self, kind, fill_value):
        gv = sections(0)
        result = CoronalInterpolator(kind, fill_value).interpolate(gv, N_PLANES)
        np.testing.assert_allclose(result, pixel_by_pixel(gv, kind, fill_value), atol=1e-10)

    @pytest.mark.parametrize("kind", [*LINEAR, *COPYING])
    @given(seed=st.integers(0, 10**6))
    @settings(max_examples=15, deadline=None)
    def test_sections_with_nan_give_what_scipy_gives_without_the_nan(self, kind, seed):
        gv = sections(seed, share_nan=0.4)
        gv.imgs[:2] = np.where(np.isnan(gv.imgs[:2]), 1.0, gv.imgs[:2])  # SciPy needs two values a pixel
        result = CoronalInterpolator(kind, (-7.0, 8.0)).interpolate(gv, N_PLANES)
        np.testing.assert_allclose(result, pixel_by_pixel(gv, kind, (-7.0, 8.0)), atol=1e-10)

    @pytest.mark.parametrize("share_nan", [0, 0.4])
    def test_extrapolation_continues_the_lines_as_scipy_does(self, share_nan):
        gv = sections(3, share_nan)
        gv.imgs[3:5] = 1.0
        result = CoronalInterpolator(fill_value="extrapolate").interpolate(gv, N_PLANES)
        np.testing.assert_allclose(result, pixel_by_pixel(gv, "linear", "extrapolate"), atol=1e-9)

    @pytest.mark.parametrize("kind", COPYING)
    def test_extrapolation_of_copies_repeats_the_edge_values(self, kind):
        gv = GappedVolume([3, 6], [[[1.0, np.nan]], [[2.0, 5.0]]])
        result = CoronalInterpolator(kind, "extrapolate").interpolate(gv, 9)
        np.testing.assert_array_equal(result[[0, 8]], [[[1, 5]], [[2, 5]]])

    @pytest.mark.parametrize("kind", [*LINEAR, *COPYING, "quadratic", "cubic"])
    def test_planes_with_a_section_keep_it_to_rounding(self, kind):
        gv = sections(1, dtype="float32")
        result = CoronalInterpolator(kind).interpolate(gv, N_PLANES)
        np.testing.assert_allclose(result[gv.sn.astype(int)], gv.imgs, atol=2e-4)

    def test_sections_between_planes_have_fractional_numbers(self):
        gv = GappedVolume([0.5, 2.5], np.array([0.0, 2.0]).reshape(2, 1, 1))
        np.testing.assert_allclose(CoronalInterpolator().interpolate(gv, 4).ravel(), [0, 0.5, 1.5, 0])

    @pytest.mark.parametrize(
        ("imgs", "expected"), [("uint8", "float32"), ("float32", "float32"), ("float64", "float64")]
    )
    def test_dtype_follows_the_images(self, imgs, expected):
        gv = GappedVolume([0, 2], np.full((2, 2, 2), 3, imgs))
        assert CoronalInterpolator().interpolate(gv, 3).dtype == expected

    @pytest.mark.parametrize("kind", ["linear", "nearest"])
    def test_a_pixel_that_no_section_knows_is_filled(self, kind):
        gv = GappedVolume([0, 3], [[[np.nan, 1]], [[np.nan, 1]]])
        assert (CoronalInterpolator(kind, 9).interpolate(gv, 4)[:, 0, 0] == 9).all()
        assert np.isnan(CoronalInterpolator(kind, "extrapolate").interpolate(gv, 4)[:, 0, 0]).all()

    @pytest.mark.parametrize("kind", ["linear", "nearest"])
    def test_one_section_fills_its_own_plane(self, kind):
        gv = GappedVolume([1], [[[5.0]]])
        assert CoronalInterpolator(kind).interpolate(gv, 3).ravel().tolist() == [0, 5, 0]
        assert CoronalInterpolator(kind, "extrapolate").interpolate(gv, 3).ravel().tolist() == [5, 5, 5]

    def test_sections_are_left_as_they_were(self):
        gv = sections(0, 0.3)
        before = gv.imgs.copy()
        CoronalInterpolator().interpolate(gv, N_PLANES)
        np.testing.assert_array_equal(gv.imgs, before)

    def test_the_default_grid_has_the_528_planes_of_the_atlas(self):
        assert CoronalInterpolator().interpolate(GappedVolume([527], np.ones((1, 2, 2)))).shape == (528, 2, 2)

    def test_bounds_error_refuses_planes_that_no_section_encloses(self):
        interpolator = CoronalInterpolator(bounds_error=True)
        assert interpolator.interpolate(GappedVolume([0, 3], np.ones((2, 1, 1))), 4).all()
        for sn, imgs in (([1, 3], np.ones((2, 1, 1))), ([0, 3], np.array([1, np.nan]).reshape(2, 1, 1))):
            with pytest.raises(ValueError, match="from 0 to 3 in every pixel"):
                interpolator.interpolate(GappedVolume(sn, imgs), 4)

    @pytest.mark.parametrize("kwargs", [{"kind": "krogh"}, {"fill_value": "edge"}, {"fill_value": (1, 2, 3)}])
    def test_unknown_arguments_are_refused_at_once(self, kwargs):
        with pytest.raises(ValueError, match="Received"):
            CoronalInterpolator(**kwargs)

    @pytest.mark.parametrize("imgs", [np.ones((3, 2, 2)), np.where(np.eye(4)[:, :, None] > 0, np.nan, 1)])
    def test_splines_refuse_too_few_sections_and_nan(self, imgs):
        with pytest.raises(ValueError, match="at least 4 sections and no NaN"):
            CoronalInterpolator("cubic").interpolate(GappedVolume(range(len(imgs)), imgs), 9)

    def test_positions_in_um_are_refused(self):
        with pytest.raises(ValueError, match="plane indices from 0 to 527"):
            CoronalInterpolator().interpolate(GappedVolume([5400], np.ones((1, 2, 2))))


class TestGappedVolume:
    def test_sections_are_sorted_with_their_images(self):
        gv = GappedVolume([5, 1], [np.full((2, 3), 5), np.full((2, 3), 1)])
        assert gv.sn.tolist() == gv.imgs[:, 0, 0].tolist() == [1, 5]
        assert gv.shape == (2, 3)

    @pytest.mark.parametrize(
        ("sn", "imgs"),
        [
            ([1], np.ones((2, 3, 3))),
            ([1, 2], [np.ones((2, 3)), np.ones((3, 3))]),
            ([1, 1], np.ones((2, 3, 3))),
            ([1, np.nan], np.ones((2, 3, 3))),
            ([1, 2], np.ones((2, 3, 3, 3))),
            ([], []),
        ],
        ids=["length", "sizes", "repeated", "nan", "color", "none"],
    )
    def test_what_is_no_stack_is_refused(self, sn, imgs):
        with pytest.raises(ValueError, match="Received"):
            GappedVolume(sn, imgs)


class TestVolume:
    def test_every_list_is_in_the_order_of_the_numbers(self):
        imgs = [np.full((8, 9), i, "uint8") for i in (30, 10, 20)]
        dvfs = [i * DisplacementField.generate((8, 9), "affine_simple", translation_x=1) for i in (3, 1, 2)]
        volume = Volume([30, 10, 20], imgs, dvfs, reference=np.arange(40)[:, None, None] * np.ones((8, 9)))
        assert volume.sn == (10, 20, 30)
        for images in (volume.sorted_mov, volume.sorted_ref, volume.sorted_reg):
            assert [img[0, 0] for img in images] == [10, 20, 30]
        assert [df.delta_x[0, 0] for df in volume.sorted_dvfs] == [1, 2, 3]

    def test_a_section_is_found_by_its_number(self):
        df = DisplacementField.generate((8, 9), "affine_simple", translation_x=2)
        ref, mov, reg, dvf = Volume([7], [np.ones((8, 9), "float32")], [df])[7]
        assert ref is None
        assert dvf is df
        np.testing.assert_array_equal(reg, df.warp(mov))

    def test_an_unknown_number_is_a_key_error(self):
        with pytest.raises(KeyError, match="Received: 8"):
            Volume([7], [np.ones((8, 9))], [DisplacementField.generate((8, 9))])[8]

    def test_references_come_from_the_middle_of_the_atlas_plane(self):
        atlas = Atlas.load("phantom:100")
        number = atlas.shape[0] // 2
        shape = atlas.shape[1:]
        volume = Volume([number], [np.ones(shape, "float32")], [DisplacementField.generate(shape)], reference=atlas)
        np.testing.assert_array_equal(volume[number].ref, atlas.reference_plane((number + 0.5) * 100))

    def test_without_a_reference_the_argument_is_named(self):
        with pytest.raises(ValueError, match="reference="):
            Volume([7], [np.ones((8, 9))], [DisplacementField.generate((8, 9))]).sorted_ref  # noqa: B018

    @pytest.mark.parametrize(("sn", "n"), [([1, 2], 1), ([1, 1], 2), ([1.5], 1), ([9], 1), ([], 0)])
    def test_wrong_sections_are_refused(self, sn, n):
        df = DisplacementField.generate((8, 9))
        with pytest.raises(ValueError, match="Received"):
            Volume(sn, [np.ones((8, 9))] * n, [df] * n, reference=np.ones((5, 8, 9)))
