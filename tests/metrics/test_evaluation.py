"""All metrics at once: of one section, and of many in a table."""

import numpy as np
import pandas as pd
import pytest

from atlalign import Atlas, DisplacementField, Plane
from atlalign.metrics import (
    angular_error_of,
    dice_score,
    evaluate,
    evaluate_single,
    iou_score,
    mi_img,
    percent_nonpositive_jacobian,
    ssmi_img,
    vector_distance_combined,
)

P = 6000
DEPTHS = (0, 2, 4)


@pytest.fixture(scope="module")
def atlas():
    return Atlas.load("phantom", spacing_um=200)


@pytest.fixture(scope="module")
def image(atlas):
    return atlas.reference_plane(P)


@pytest.fixture(scope="module")
def true(image):
    return DisplacementField.generate(image.shape, "affine_simple", rotation=0.1, translation_x=2)


@pytest.fixture(scope="module")
def pred(image):
    return DisplacementField.generate(image.shape, "diffeomorphic", amplitude=3, sigma=8, random_state=0)


def volume_of(atlas, hierarchy=None):
    """Make a volume with planes 25 um apart, and its hierarchy, as 0.6.2 takes them."""
    avol = np.repeat(atlas.annotation_volume(), round(atlas.resolution_um[0] / 25), axis=0)

    def node(structure):
        return {"id": structure.id, "children": [node(child) for child in atlas.structures.children(structure.id)]}

    return avol, node(next(iter(atlas.structures.values())))


class TestEvaluateSingle:
    def test_numbers_are_those_of_the_metrics(self, image, true, pred):
        metrics = evaluate_single(true, pred, image)
        registered = true.warp(image), pred.warp(image)
        assert set(metrics) == {
            *("mse_img", "mae_img", "psnr_img", "ssmi_img", "mi_img", "cc_img"),
            *("norm", "corrupted_pixels", "corrupted_pixels_published", "euclidean_distance", "angular_error"),
        }
        assert metrics["ssmi_img"] == ssmi_img(*registered)
        assert metrics["mi_img"] == mi_img(*registered)
        assert metrics["norm"] == pred.average_displacement
        assert metrics["euclidean_distance"] == vector_distance_combined([true], [pred])[0]
        assert metrics["angular_error"] == angular_error_of([true], [pred], weighted=True)[0]
        assert all(isinstance(value, float) for value in metrics.values())

    def test_a_perfect_prediction_has_the_best_numbers(self, atlas, image, true):
        metrics, _ = evaluate_single(true, true, image, p=P, atlas=atlas, depths=DEPTHS)
        assert metrics["psnr_img"] == np.inf
        assert all(metrics[name] == 0 for name in ("mse_img", "mae_img", "euclidean_distance", "angular_error"))
        assert all(metrics[name] == 1 for name in ("ssmi_img", "cc_img", "iou_0", "dice_4"))

    def test_both_definitions_of_corrupted_pixels_are_shares(self, image, true):
        deltas = np.zeros((*image.shape, 2))
        deltas[:, 3, 0] = -2  # a Jacobian of exactly 0, in the margin of the published definition
        deltas[:, 20, 0] = -3
        metrics = evaluate_single(true, deltas, image)
        assert metrics["corrupted_pixels"] == pytest.approx(1 / image.shape[1])
        published = percent_nonpositive_jacobian(deltas, "published") / 100
        assert metrics["corrupted_pixels_published"] == published == pytest.approx(1 / (image.shape[1] - 12))

    def test_annotations_are_warped_onto_the_section_by_the_inverses(self, atlas, image, true, pred):
        metrics, images = evaluate_single(true, pred, image, p=P, atlas=atlas, depths=DEPTHS)
        annotation = atlas.annotation_plane(P, image.shape)
        assert set(images) == set(DEPTHS)
        for depth in DEPTHS:
            collapsed = atlas.structures.at_depth(annotation, depth)
            expected = [df.pseudo_inverse().warp_annotation(collapsed) for df in (true, pred)]
            np.testing.assert_array_equal(images[depth], expected)
            stacks = [labels[None] for labels in expected]
            for name, metric in (("iou", iou_score), ("dice", dice_score)):
                score = metric(*stacks, k=None, excluded_labels=[0])[0]
                assert metrics[f"{name}_{depth}"] == pytest.approx(score)

    def test_structures_that_the_warps_lose_do_not_count(self, image, true):
        avol = np.ones((1, *image.shape), int)
        avol[0, 0, 0] = 2  # both fields show nothing of the corner
        away = np.broadcast_to([5.0, 5.0], (*image.shape, 2))
        metrics, images = evaluate_single(
            true, true, image, 0, avol, {"id": 1}, deltas_pred_inv=away, deltas_true_inv=away, depths=[0]
        )
        assert 2 not in images[0][0]
        assert metrics["iou_0"] == metrics["dice_0"] == 1

    def test_inverses_that_are_given_are_used(self, atlas, image, true, pred):
        arguments = {"p": P, "atlas": atlas, "depths": [2]}
        nothing = np.zeros((*image.shape, 2))
        metrics, images = evaluate_single(
            true,
            pred,
            image,
            **arguments,
            deltas_pred_inv=nothing,
            deltas_true_inv=DisplacementField(*2 * [nothing[..., 0]]),
        )
        assert metrics["dice_2"] == 1
        np.testing.assert_array_equal(images[2][0], atlas.structures.at_depth(atlas.annotation_plane(P), 2))

    def test_a_volume_and_its_hierarchy_give_the_same_as_the_atlas(self, atlas, image, true, pred):
        of_atlas, images_of_atlas = evaluate_single(true, pred, image, p=P, atlas=atlas, depths=DEPTHS)
        avol, labels = volume_of(atlas)
        of_volume, images = evaluate_single(true, pred, image, P, avol, labels, depths=DEPTHS)
        assert of_volume == of_atlas
        np.testing.assert_array_equal(images[4], images_of_atlas[4])

    def test_a_position_beyond_the_last_plane_is_that_of_the_last(self, atlas, image, true, pred):
        avol, labels = volume_of(atlas)
        for annotation in ({"atlas": atlas}, {"avol": avol, "collapsing_labels": labels}):
            beyond, last = (
                evaluate_single(true, pred, image, p=p, depths=[0], **annotation)[1][0][0] for p in (10**6, 13199)
            )
            np.testing.assert_array_equal(beyond, last)

    def test_an_atlas_takes_fields_of_any_size_and_oblique_planes(self, atlas):
        shape = (30, 41)
        df = DisplacementField.generate(shape, "affine_simple", rotation=0.1)
        section = np.zeros(shape)
        assert evaluate_single(df, df, section, p=P, atlas=atlas, depths=[1])[0]["dice_1"] == 1
        flat = atlas.plane(P)
        oblique = Plane(flat.origin_um, flat.u_um + np.array([500, 0, 0]), flat.v_um)
        images = evaluate_single(df, df, section, p=oblique, atlas=atlas, depths=[9])[1]
        expected = df.pseudo_inverse().warp_annotation(atlas.annotation_plane(oblique, shape))
        np.testing.assert_array_equal(images[9][0], expected)

    def test_bytes_are_divided_by_255(self, image, true, pred):
        as_bytes = np.round(255 * image).astype("uint8")
        assert evaluate_single(true, pred, as_bytes) == evaluate_single(true, pred, as_bytes.astype("float32") / 255)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"p": None}, ValueError, "p must be the position.*Received: None"),
            ({"p": -1}, ValueError, "p must be the position.*Received: -1"),
            ({"p": "6000"}, ValueError, "p must be the position.*Received: '6000'"),
            ({"atlas": None}, ValueError, "depths need the annotation.*none of them"),
            ({"avol": np.ones((3, 40, 57), int)}, ValueError, "Received: atlas and avol"),
            ({"atlas": "phantom"}, TypeError, "atlas must be an Atlas. Received: 'phantom'"),
            ({"atlas": None, "avol": np.ones((3, 40, 57), int)}, ValueError, "Received: avol"),
            ({"depths": (-1,)}, ValueError, "integers of at least 0"),
            ({"deltas_true": np.zeros((2, 40, 57, 2))}, ValueError, "must be one field"),
            ({"deltas_pred": np.zeros((40, 56, 2))}, ValueError, "the same shape"),
            ({"deltas_pred": np.full((40, 57, 2), np.nan)}, ValueError, "deltas_pred must be finite"),
            ({"deltas_pred_inv": np.zeros((40, 56, 2))}, ValueError, "deltas_pred_inv must have the size"),
            ({"img_mov": np.zeros((40, 57, 3))}, ValueError, "Take one channel"),
            ({"img_mov": np.zeros((40, 57), "int64")}, TypeError, "Received: int64"),
            ({"img_mov": np.full((40, 57), np.inf)}, ValueError, "img_mov must be finite"),
            ({"ds_f": 0}, ValueError, "ds_f must be an integer of at least 1"),
        ],
    )
    def test_wrong_arguments_are_refused_in_one_line(self, atlas, image, true, pred, change, error, message):
        arguments = {"deltas_true": true, "deltas_pred": pred, "img_mov": image, "p": P, "atlas": atlas, "depths": (0,)}
        with pytest.raises(error, match=message) as caught:
            evaluate_single(**arguments | change)
        assert "\n" not in str(caught.value)

    def test_a_volume_of_another_size_is_refused(self, image, true, pred):
        for avol, message in (
            (np.ones((3, 9, 9), int), "size of the fields, 40 x 57"),
            (np.ones((3, 40, 57)), "structure ids"),
        ):
            with pytest.raises(ValueError, match=message):
                evaluate_single(true, pred, image, 10, avol, {"id": 1}, depths=(0,))


class TestEvaluate:
    @pytest.fixture
    def arguments(self, atlas, image, true, pred):
        return {
            "y_true": [true, true],
            "y_pred": [true, pred],
            "imgs_mov": np.stack([image, image]),
            "img_ids": [101, 102],
            "ps": [P, P],
            "dataset_ids": [7, 8],
            "depths": DEPTHS,
            "atlas": atlas,
        }

    def test_columns_are_those_of_0_6_2_and_dice(self, arguments):
        result, viewable = evaluate(**arguments)
        arrays = {"norm_pp", "jacobian_pp", "vector_distance_pp", "angular_error_pp", "imgs_mov"}
        numbers = {
            *("norm_a", "jacobian_nonpositive_pixels_a", "jacobian_nonpositive_pixels_perc_a", "p", "dataset_id"),
            *("vector_distance_a", "angular_error_a", "mae_img_a", "mse_img_a", "psnr_img_a", "ssmi_img_a", "mi_img_a"),
            "cross_correlation_img_a",
            *(f"{name}_depth_{depth}" for name in ("iou", "dice") for depth in DEPTHS),
        }
        assert set(result.columns) == arrays | numbers
        assert set(viewable.columns) == numbers
        assert result.index.tolist() == viewable.index.tolist() == [101, 102]

    def test_rows_are_what_evaluate_single_says_of_each(self, arguments, image, atlas, true, pred):
        _, viewable = evaluate(**arguments)
        single, _ = evaluate_single(true, pred, image, p=P, atlas=atlas, depths=DEPTHS)
        row = viewable.loc[102]
        names = {"cc_img": "cross_correlation_img_a", "euclidean_distance": "vector_distance_a"}
        for name, value in single.items():
            if not name.startswith("corrupted"):
                kind, _, depth = name.partition("_")
                column = f"{kind}_depth_{depth}" if depth.isdigit() else names.get(name, f"{name}_a")
                assert row[column] == pytest.approx(value)

    def test_nonpositive_pixels_are_counted_and_given_in_percent(self, arguments, image):
        deltas = np.zeros((*image.shape, 2))
        deltas[:, 20, 0] = -2
        row = evaluate(**arguments | {"y_pred": np.stack([deltas, deltas])})[1].iloc[0]
        assert row["jacobian_nonpositive_pixels_a"] == image.shape[0]
        assert row["jacobian_nonpositive_pixels_perc_a"] == pytest.approx(100 / image.shape[1])

    def test_without_depths_no_annotation_is_needed(self, arguments):
        result, _ = evaluate(**arguments | {"depths": (), "atlas": None})
        assert not [column for column in result.columns if "depth" in column]

    def test_tables_can_be_written_and_read(self, arguments, tmp_path):
        _, viewable = evaluate(**arguments)
        viewable.to_csv(tmp_path / "table.csv")
        back = pd.read_csv(tmp_path / "table.csv", index_col=0)
        pd.testing.assert_frame_equal(back, viewable, check_dtype=False)

    @pytest.mark.parametrize("name", ["y_true", "y_pred", "imgs_mov", "img_ids", "ps", "dataset_ids"])
    def test_one_argument_with_fewer_samples_is_refused_by_name(self, arguments, name):
        with pytest.raises(ValueError, match=f"as many of each.*1 {name}"):
            evaluate(**arguments | {name: arguments[name][:1]})

    @pytest.mark.parametrize("p", [np.nan, -25, None])
    def test_a_position_that_is_none_is_refused_without_depths_too(self, arguments, p):
        with pytest.raises(ValueError, match="p must be the position"):
            evaluate(**arguments | {"ps": [P, p], "depths": (), "atlas": None})

    def test_fields_of_different_shapes_are_refused(self, arguments):
        with pytest.raises(ValueError, match="the same shape"):
            evaluate(**arguments | {"y_pred": np.zeros((2, 9, 9, 2))})
