"""Summary, table, files and figures say the same."""

import io
import json

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from atlalign.evaluation import EvaluationFiles, evaluate_methods, measured_columns, print_table, table_rows
from atlalign.evaluation.figures import draw_dice, draw_errors


@pytest.fixture(scope="module")
def evaluation(source, truth):
    def shift(reference, moving):
        return np.full((*reference.shape, 2), 1.0)

    return evaluate_methods({"shift": shift, "truth": truth}, source, depths=(0, 4))


def test_the_summary_averages_the_pairs(evaluation):
    pairs = evaluation.per_pair[evaluation.per_pair["method"] == "shift"]
    row = evaluation.summary.loc["shift"]
    for column in measured_columns((0, 4)):
        if column.name != "inverse_consistency_px":
            assert row[f"{column.name}_mean"] == pytest.approx(np.mean(pairs[column.name]))
            assert row[f"{column.name}_std"] == pytest.approx(np.std(pairs[column.name], ddof=1))
    assert row["seconds_median"] == np.median(pairs["seconds"])
    assert row["pairs"] == 4


def test_the_dictionary_is_json_without_numbers_that_json_does_not_know(evaluation):
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert list(values["methods"]) == ["identity", "shift", "truth"]
    assert values["methods"]["identity"]["angular_error_deg"] == {"mean": None, "std": None}
    assert values["methods"]["truth"]["psnr_img"]["mean"] is None  # infinite: no difference at all
    assert values["methods"]["truth"]["dice_depth_4"] == {"mean": 1.0, "std": 0.0}
    assert values["pairs"] == 4


def test_one_pair_has_no_standard_deviation(source):
    one = evaluate_methods({}, source, indexes=[1], depths=(0,))
    dice = one.to_dict()["methods"]["identity"]["dice_depth_0"]
    assert dice["mean"] is not None
    assert dice["std"] is None
    assert table_rows(one)[1][-1] == f"{dice['mean']:.3f}"


def test_the_table_shows_the_summary(evaluation):
    heading, *rows = table_rows(evaluation)
    assert heading[2:] == evaluation.methods
    cells = {row[0].strip(): row[1:] for row in rows}
    summary = evaluation.summary
    mean, std = summary.loc["shift", ["endpoint_error_px_mean", "endpoint_error_px_std"]]
    assert cells["vector distance, px"][:3] == ["lower", cells["vector distance, px"][1], f"{mean:.2f} ± {std:.2f}"]
    assert cells["angular error, degrees"][1] == "-"
    assert cells["Dice, depth 4"][0] == "higher"
    assert cells["seconds a section, median"][2] == f"{summary.loc['shift', 'seconds_median']:.3f}"
    assert "pairs without a registration" not in cells


def test_without_a_terminal_the_table_is_plain_and_never_cut(evaluation):
    stream = io.StringIO()
    print_table(evaluation, stream)
    title, *lines = stream.getvalue().splitlines()
    assert title == "4 pairs: mean ± standard deviation"
    assert len(lines) == len(table_rows(evaluation))
    assert "\x1b" not in stream.getvalue()
    for cells, line in zip(table_rows(evaluation), lines, strict=True):
        assert line.split() == " ".join(cells).split()


def test_a_terminal_without_the_sign_gets_another(evaluation):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    print_table(evaluation, stream)
    lines = written.getvalue().decode("ascii").splitlines()
    assert lines[0] == "4 pairs: mean +- standard deviation"
    assert lines[2].split() == " ".join(table_rows(evaluation)[1]).replace("±", "+-").split()


def test_the_files_agree_with_the_evaluation(evaluation, tmp_path):
    files = EvaluationFiles(tmp_path / "new" / "scores")
    files.write(evaluation, {"models": ["m.keras"]})
    names = ["dice.png", "endpoint_error.png", "per_pair.csv", "summary.csv", "summary.json"]
    assert sorted(path.name for path in files.folder.iterdir()) == names
    pd.testing.assert_frame_equal(pd.read_csv(files.pairs_table), evaluation.per_pair, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(files.summary_table, index_col="method"), evaluation.summary)
    assert json.loads(files.summary.read_text()) == {"models": ["m.keras"], **evaluation.to_dict()}
    for path in (files.dice, files.errors):
        picture = iio.imread(path)
        assert picture.shape[0] > 400
        assert picture.std() > 10


def test_an_evaluation_that_cannot_be_written_leaves_nothing(evaluation, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="No space"):
        EvaluationFiles(tmp_path / "scores").write(evaluation)
    assert not list(tmp_path.iterdir())


def test_other_files_in_the_folder_stay(evaluation, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    EvaluationFiles(tmp_path).write(evaluation)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(NotADirectoryError, match="must be a folder"):
            EvaluationFiles(folder).require_writable()
    (tmp_path / "scores" / "dice.png").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"dice\.png"):
        EvaluationFiles(tmp_path / "scores").require_writable()


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(PermissionError, match="must be writable"):
        EvaluationFiles(tmp_path / "new" / "scores").require_writable()


@pytest.mark.parametrize("draw", [draw_dice, draw_errors])
def test_figures_name_every_method(evaluation, draw):
    (legend,) = draw(evaluation).legends
    assert [text.get_text() for text in legend.get_texts()] == evaluation.methods


def test_the_dice_figure_has_a_box_for_each_depth_and_method(evaluation):
    (axis,) = draw_dice(evaluation).axes
    assert len(axis.patches) == 2 * 3
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0", "4"]


def test_the_error_curve_of_who_knows_the_answer_is_always_at_its_height(evaluation):
    (axis,) = draw_errors(evaluation).axes
    identity, _, truth = (line.get_ydata() for line in axis.lines)
    assert (truth == 1).all()
    assert (np.diff(identity) >= 0).all()
    assert identity[0] < 0.1
