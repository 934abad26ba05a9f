"""Methods side by side: known answers, what is asked of a method, what is refused before any work."""

import h5py
import numpy as np
import pytest

from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.evaluation import Prediction, evaluate_methods
from atlalign.metrics import evaluate_single, percent_nonpositive_jacobian
from atlalign.pairs import PairSource


def of(evaluation, method):
    table = evaluation.per_pair
    return table[table["method"] == method].reset_index(drop=True)


def nothing(reference, moving):
    return np.zeros((*reference.shape, 2))


def test_the_error_of_the_identity_is_the_mean_length_of_the_labels(source):
    table = of(evaluate_methods({}, source), "identity")
    labels = [source.pair(index).deltas_xy for index in range(len(source))]
    assert table["endpoint_error_px"].to_numpy() == pytest.approx([np.linalg.norm(x, axis=-1).mean() for x in labels])
    # The phantom's slice, 8000 um high and 11400 um wide, in 48 x 64 pixels that are not square.
    in_um = [np.linalg.norm(label * [11400 / 64, 8000 / 48], axis=-1).mean() for label in labels]
    assert table["endpoint_error_um"].to_numpy() == pytest.approx(in_um)
    assert table["angular_error_deg"].isna().all()
    assert table["inverse_consistency_px"].isna().all()


def test_errors_inside_the_brain_are_those_of_pixels_with_a_structure(source):
    evaluation = evaluate_methods({}, source)
    inside = []
    for index in range(len(source)):
        brain = source.atlas.annotation_plane(source.plane(index), source.shape) > 0
        label = source.pair(index).deltas_xy[brain] * [11400 / 64, 8000 / 48]
        inside.append(np.linalg.norm(label, axis=-1))
    table = of(evaluation, "identity")
    assert table["endpoint_error_brain_um"].to_numpy() == pytest.approx([errors.mean() for errors in inside])
    counted = evaluation.errors["identity"]
    expected = [(np.concatenate(inside) <= edge).mean() for edge in counted.edges_um]
    np.testing.assert_allclose(counted.shares, expected, atol=0.001)


def test_who_knows_the_answer_makes_no_error(source, truth):
    table = of(evaluate_methods({"truth": truth}, source), "truth")
    for name in ("endpoint_error_px", "endpoint_error_p95_um", "endpoint_error_brain_um", "mse_img", "mae_img"):
        assert (table[name] == 0).all(), name
    for depth in (0, 2, 4, 6, 8):
        assert (table[f"dice_depth_{depth}"] == 1).all()
    assert table["ssmi_img"].to_numpy() == pytest.approx(1)
    assert table["angular_error_deg"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert (table["inverse_consistency_px"] < 0.1).all()  # labels are stored in float16


def test_the_numbers_are_those_of_the_metrics(source):
    def shift(reference, moving):
        return np.full((*reference.shape, 2), [1.5, -0.5])

    table = of(evaluate_methods({"shift": shift}, source, depths=(0, 4)), "shift")
    pair = source.pair(2)
    expected, _ = evaluate_single(
        pair.deltas_xy, shift(pair.reference, None), pair.moving, source.plane(2), depths=(0, 4), atlas=source.atlas
    )
    names = {"mse_img": "mse_img", "psnr_img": "psnr_img", "ssmi_img": "ssmi_img", "mi_img": "mi_img"}
    names |= {"euclidean_distance": "endpoint_error_px", "angular_error": "angular_error_deg"}
    names |= {"dice_0": "dice_depth_0", "dice_4": "dice_depth_4"}
    assert {ours: table.loc[2, ours] for ours in names.values()} == pytest.approx(
        {ours: expected[theirs] for theirs, ours in names.items()}, rel=1e-6
    )


def test_folds_are_counted_by_each_definition_on_the_local_part(source):
    fold = nothing(*[np.zeros(source.shape)] * 2)
    fold[:, 30, 0] = -3

    def local_part_folds(reference, moving):
        return Prediction(nothing(reference, moving), None, fold)

    def whole_field_folds(reference, moving):
        return fold

    evaluation = evaluate_methods({"local": local_part_folds, "whole": whole_field_folds}, source, indexes=[0])
    expected = [percent_nonpositive_jacobian(fold, name) for name in ("negative", "nonpositive", "published")]
    assert expected[0] > 0
    assert expected[1] != expected[2]
    for name in ("local", "whole"):
        columns = [f"corrupted_{definition}_percent" for definition in ("negative", "nonpositive", "published")]
        assert of(evaluation, name).loc[0, columns].tolist() == pytest.approx(expected)


def test_every_method_is_called_once_more_for_what_it_prepares(source):
    calls = []

    def counted(reference, moving):
        calls.append(moving)
        return nothing(reference, moving)

    evaluate_methods({"counted": counted}, source, indexes=[1, 3])
    assert len(calls) == 3
    assert np.array_equal(calls[0], calls[1])


def test_an_inverse_that_is_a_function_is_asked_for_outside_of_the_time(source):
    asked = []

    def lazy(reference, moving):
        def inverse():
            asked.append(True)
            return nothing(reference, moving)

        return Prediction(nothing(reference, moving), inverse)

    table = of(evaluate_methods({"lazy": lazy}, source, indexes=[0]), "lazy")
    assert asked == [True]  # not on the call that only prepares
    assert table.loc[0, "inverse_consistency_px"] == 0


def test_a_pair_without_a_registration_counts_as_not_moved(source):
    evaluation = evaluate_methods({"lost": lambda reference, moving: None}, source)
    lost, identity = of(evaluation, "lost"), of(evaluation, "identity")
    assert not lost["found"].any()
    unlike = ["method", "found", "seconds"]
    assert lost.drop(columns=unlike).equals(identity.drop(columns=unlike))
    assert evaluation.summary["not_found"].tolist() == [0, 4]


def test_pairs_keep_their_file_and_place_in_it(data, source):
    twice = PairSource([data, data])
    table = of(evaluate_methods({}, twice, indexes=[3, 4, 6]), "identity")
    assert table["sample"].tolist() == [3, 0, 2]
    assert table["file"].unique().tolist() == [str(data)]
    assert table["position_um"].tolist() == pytest.approx([source.plane(index).position_um for index in (3, 0, 2)])
    assert table["image_id"].tolist() == source.image_ids[[3, 0, 2]].tolist()


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        (np.zeros((64, 48, 2)), r"shape \(64, 48, 2\)"),
        (np.full((48, 64, 2), np.nan), "6144 numbers that are NaN or infinite"),
        ((np.zeros((48, 64, 2)), np.zeros((48, 64))), r"shape \(48, 64\)"),
    ],
)
def test_an_answer_that_is_no_field_is_refused_with_the_methods_name(source, answer, received):
    with pytest.raises(AtlalignError, match=f"Received from broken: {received}. ") as caught:
        evaluate_methods({"broken": lambda reference, moving: answer}, source)
    assert "\n" not in str(caught.value)


def test_faulty_pairs_are_refused_before_any_method_is_asked(data, tmp_path):
    path = tmp_path / "faulty.h5"
    path.write_bytes(data.read_bytes())
    with h5py.File(path, "r+") as file:
        file["deltas_xy"][2, 5, 5] = np.nan

    def never(reference, moving):
        raise AssertionError

    source = PairSource([path])
    with pytest.raises(InvalidFileError, match=r"sample 2: 'deltas_xy' is not finite .* atlalign dataset check"):
        evaluate_methods({"never": never}, source)
    assert len(of(evaluate_methods({}, source, indexes=[0, 1]), "identity")) == 2


def test_an_evaluation_of_nothing_is_refused(source):
    with pytest.raises(ValueError, match=r"needs at least one pair\. Received: none"):
        evaluate_methods({}, source, indexes=[])


def test_a_depth_that_is_none_is_refused(source):
    with pytest.raises(ValueError, match="Depths must be integers of at least 0"):
        evaluate_methods({}, source, depths=(2, -1))


def test_images_smaller_than_the_windows_of_ssim_are_refused(tmp_path):
    path = tmp_path / "tiny.h5"
    with create_dataset(path, 1, (6, 9), Attributes(atlas="phantom:100")) as file:
        file["img"][:] = 9
    with pytest.raises(ValueError, match="at least 7 px"):
        evaluate_methods({}, PairSource([path]))


def test_without_depths_there_is_no_dice(source):
    table = evaluate_methods({}, source, indexes=[0], depths=()).per_pair
    assert not [name for name in table if name.startswith("dice")]
