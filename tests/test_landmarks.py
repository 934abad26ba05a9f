"""Fields from landmarks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from atlalign import DisplacementField
from atlalign.errors import InvalidFileError
from atlalign.landmarks import field_from_landmarks, read_landmarks, target_registration_error

SHAPE = (90, 120)
EVERY = ["thin_plate_spline", "rbf", "griddata", "griddata_custom"]


def pairs(seed=0, n=20, spread=4.0, shape=SHAPE):
    generator = np.random.default_rng(seed)
    flat = generator.choice(shape[0] * shape[1], n, replace=False)
    reference = np.stack([flat % shape[1], flat // shape[1]], axis=-1).astype(float)
    return reference, reference + generator.normal(0, spread, (n, 2))


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("seed", range(3))
def test_every_method_passes_through_landmarks_on_pixels(method, seed):
    reference, moving = pairs(seed)
    field = field_from_landmarks(SHAPE, reference, moving, method)
    assert target_registration_error(field, reference, moving).max() < 0.05


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_thin_plate_splines_are_scipys_to_0_05_px_at_every_pixel(seed):
    reference, moving = pairs(seed, n=12, spread=8)
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    exact = RBFInterpolator(reference, moving - reference)(np.stack([x, y], axis=-1).reshape(-1, 2))
    field = field_from_landmarks(SHAPE, reference, moving)
    assert np.abs(field.deltas_xy.reshape(-1, 2) - exact).max() < 0.05


@pytest.mark.parametrize("shape", [(3, 4), (1, 9), (40, 500)])
def test_thin_plate_splines_of_every_size_of_image_are_scipys(shape):
    reference, moving = pairs(n=5)
    x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    exact = RBFInterpolator(reference, moving - reference)(np.stack([x, y], axis=-1).reshape(-1, 2))
    field = field_from_landmarks(shape, reference, moving)
    np.testing.assert_allclose(field.deltas_xy.reshape(-1, 2), exact, atol=0.05)


def test_thin_plate_splines_keep_an_affine_transformation_everywhere():
    reference, _ = pairs(n=6)
    expected = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.2, scale_x=1.1, translation_y=3)
    field = field_from_landmarks(SHAPE, reference, expected.transform_points(reference))
    np.testing.assert_allclose(field.deltas_xy, expected.deltas_xy, atol=1e-3)


def test_the_registered_image_has_the_moving_landmark_at_the_reference_landmark():
    reference, moving = pairs(n=8)
    moving = np.rint(np.clip(moving, 0, [SHAPE[1] - 1, SHAPE[0] - 1]))
    img = np.zeros(SHAPE, "float32")
    x, y = moving[0].astype(int)
    img[y, x] = 1
    registered = field_from_landmarks(SHAPE, reference, moving).warp(img)
    x, y = reference[0].astype(int)
    assert registered[y, x] > 0.9


@pytest.mark.parametrize("method", ["thin_plate_spline", "rbf"])
def test_smoothing_misses_the_landmarks_and_bends_less(method):
    reference, moving = pairs(n=20)
    exact, smooth = (field_from_landmarks(SHAPE, reference, moving, method, smooth=s) for s in (0, 200))
    assert target_registration_error(smooth, reference, moving).mean() > 1
    assert np.ptp(smooth.jacobian) < np.ptp(exact.jacobian)


def test_outside_the_hull_griddata_goes_on_with_its_border_or_with_the_fill_value():
    reference = np.array([[40, 30], [80, 30], [60, 60]])
    moving = reference + np.array([3, 2])
    assert field_from_landmarks(SHAPE, reference, moving, "griddata").delta_x[0, 0] == 3
    filled = field_from_landmarks(SHAPE, reference, moving, "griddata_custom", interpolator_kwargs={"fill_value": -1})
    assert filled.delta_x[0, 0] == -1


SQUARE = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])


@pytest.mark.parametrize(
    ("reference", "moving", "message"),
    [
        (SQUARE[:2], SQUARE[:2], "at least 3"),
        (SQUARE, SQUARE[:3], "4 and 3 points"),
        (SQUARE[[0, 1, 2, 2]], SQUARE, "points_reference must hold each point once"),
        (SQUARE, SQUARE[[0, 1, 2, 2]], "points_moving must hold each point once"),
        (np.array([[0, 0], [1, 2], [2, 4], [3, 6]]), SQUARE, "one line"),
        (SQUARE * np.nan, SQUARE, "points_reference must be finite"),
        (SQUARE, SQUARE.ravel(), "points_moving must be finite"),
    ],
)
@pytest.mark.parametrize("method", EVERY)
def test_pairs_that_determine_no_field_are_refused_in_one_line(reference, moving, message, method):
    with pytest.raises(ValueError, match=message) as error:
        field_from_landmarks(SHAPE, reference, moving, method)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"method": "spline"},
        {"smooth": -1},
        {"method": "griddata", "smooth": 1},
        {"interpolator_kwargs": {"function": "linear"}},
        {"method": "rbf", "interpolator_kwargs": {"function": "wrong"}},
    ],
)
def test_arguments_that_do_not_apply_are_refused(kwargs):
    with pytest.raises(ValueError, match="Received"):
        field_from_landmarks(SHAPE, SQUARE, SQUARE + 1, **kwargs)


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 4, 5)])
def test_a_shape_that_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="shape must be"):
        field_from_landmarks(shape, SQUARE, SQUARE)


def test_the_error_of_the_identity_is_the_distance_of_the_landmarks():
    reference, moving = pairs()
    error = target_registration_error(DisplacementField.generate(SHAPE), reference, moving)
    np.testing.assert_allclose(error, np.linalg.norm(reference - moving, axis=1))


class TestReadLandmarks:
    @pytest.mark.parametrize(
        "text", [",X,Y\n1,5,6\n2,7.5,8\n", "y,x\r\n6,5\r\n8,7.5\r\n", '\ufeff" ",X,Y\n1,5,6\n\n2,7.5,8']
    )
    def test_columns_are_found_by_their_names(self, tmp_path, text):
        path = tmp_path / "a.csv"
        path.write_text(text, encoding="utf-8")
        np.testing.assert_array_equal(read_landmarks(path), [[5, 6], [7.5, 8]])

    @pytest.mark.parametrize(
        "content", [b"", b"X,Y\n", b"a,b\n1,2\n", b"X,Y\n1\n", b"X,Y\n1,two\n", b"X,Y\n1,nan\n", b"\x89PNG\x00"]
    )
    def test_another_file_is_refused_by_name(self, tmp_path, content):
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(InvalidFileError, match=r"Received: .*a\.csv"):
            read_landmarks(path)

    def test_a_missing_file_is_not_found(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="table of landmarks"):
            read_landmarks(tmp_path / "a.csv")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("reference", "moving", "scale", "shape"),
    [
        (
            "birl/rat-kidney_/scale-5pc/Rat-Kidney_HE",
            "birl/rat-kidney_/scale-5pc/Rat-Kidney_PanCytokeratin",
            1,
            (787, 1164),
        ),
        (
            "birl/lesions_/scale-5pc/Izd2-29-041-w35_HE",
            "birl/lesions_/scale-5pc/Izd2-29-041-w35_proSPC",
            1,
            (733, 890),
        ),
        ("{cima}He-les3", "{cima}proSPC-4-les3", 0.1, (661, 892)),
        ("{cima}He-les3", "{cima}Ki67-7-les3", 0.1, (661, 892)),
    ],
    ids=["kidney", "lesion", "cima-proSPC", "cima-Ki67"],
)
def test_half_of_real_landmarks_register_the_other_half(shared, reference, moving, scale, shape):
    cima = "cima/annotations/lung-lesion_3/user-PS_scale-50pc/29-041-Izd2-w35-"
    tables = [read_landmarks(shared / "landmarks" / f"{name.format(cima=cima)}.csv") for name in (reference, moving)]
    n = min(len(table) for table in tables)
    reference, moving = (table[:n] * scale for table in tables)
    field = field_from_landmarks(shape, reference[::2], moving[::2])
    identity = DisplacementField.generate(shape)
    assert target_registration_error(field, reference[::2], moving[::2]).max() < 0.1
    error, before = (np.median(target_registration_error(f, reference[1::2], moving[1::2])) for f in (field, identity))
    assert error < 0.4 * before
