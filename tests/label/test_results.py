"""What follows from labels: the corrected registration in its folder, and pairs to train on."""

import json

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from atlalign import DisplacementField
from atlalign.dataset import check_dataset, open_dataset
from atlalign.errors import AtlalignError
from atlalign.label import LabelFolder, LabelSession, corrected, dataset_from_labels, write_results
from atlalign.label.opening import start_pictures
from atlalign.label.results import results_are_current
from atlalign.registration import read_landmark_pairs, read_registration
from atlalign.report import write_report
from tests.label.run_maker import ATLAS, make_series, nothing
from tests.label.test_folder import work

PLACES = [((40.0, 30.0), (2.0, -1.0)), ((75.0, 45.0), (-1.5, 2.0)), ((57.0, 20.0), (0.0, 3.0))]


def correct(session):
    """Place landmarks some px from where the automatic field has them."""
    for place, off in PLACES:
        session.add(place, np.array(session.moving_point(place)) + off)


def test_the_saved_field_takes_each_landmark_where_it_belongs(folder):
    section = folder.sections[0]
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    field = read_registration(section.folder).files.read_field()
    for pair in session.labels.placed:
        assert np.hypot(*(field.transform_points([pair.reference_xy])[0] - pair.moving_xy)) < 0.1


def test_points_of_the_section_go_to_the_atlas_by_the_correction(folder):
    section = folder.sections[0]
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    saved = read_registration(section.folder)
    for pair in session.labels.placed:
        there = saved.section_to_atlas(session.subject.to_section([pair.moving_xy]))
        expected = saved.canvas.plane.pixels_to_um([pair.reference_xy], saved.canvas.shape)
        assert np.linalg.norm(there - expected) < 0.5 * 100


def test_the_record_lists_a_manual_step_with_who_when_and_which_points(folder):
    section = folder.sections[0]
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    record = json.loads((section.folder / "registration.json").read_text())
    assert [step["name"] for step in record["steps"]] == ["canvas", "local", "manual"]
    said = record["steps"][-1]["quality"]
    assert said["manual_person"]["value"] == "anna"
    assert said["manual_changed_at"]["value"] == section.latest().changed_at
    assert [point[:2] for point in said["manual_points"]["value"]] == [list(place) for place, _ in PLACES]
    assert said["manual_folded"] == {"value": 0, "unit": "px", "flag": None}
    assert said["manual_residual"]["value"] < 0.1


def test_a_correction_that_folds_gets_a_flag(folder):
    section = folder.sections[0]
    session = work(section, "anna", lambda s: (s.add((40, 40), (70, 40)), s.add((60, 40), (40, 40))))
    said = corrected(session.subject, section.latest()).step("manual").quality
    assert "The correction folds" in said["manual_folded"]["flag"]


def test_written_twice_it_is_the_same_since_the_automatic_field_is_kept(folder, project):
    section = folder.sections[0]
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    first = (section.folder / "deltas_xy.npy").read_bytes()
    again = LabelFolder(project / "run", [project / "images"]).sections[0]
    subject = again.load()
    assert subject.automatic == session.subject.automatic
    write_results(again, subject)
    assert (section.folder / "deltas_xy.npy").read_bytes() == first


def test_taken_back_the_results_are_those_of_the_networks_again(folder):
    section = folder.sections[0]
    before = (section.folder / "deltas_xy.npy").read_bytes()
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    assert (section.folder / "deltas_xy.npy").read_bytes() != before
    session.reset()
    write_results(section, session.subject)
    assert (section.folder / "deltas_xy.npy").read_bytes() == before
    assert [step["name"] for step in read_registration(section.folder).record["steps"]] == ["canvas", "local"]


def test_a_plane_that_was_moved_stays_moved_and_can_be_taken_back(folder, project):
    section = folder.sections[0]
    session = work(section, "anna", lambda s: s.set_position(5300))
    write_results(section, session.subject)
    assert read_registration(section.folder).canvas.plane.position_um == 5300
    again = LabelFolder(project / "run", [project / "images"]).sections[0]
    subject = again.load()
    assert subject.plane.position_um == 5000
    assert subject.plane_of(again.initial(subject)).position_um == 5300


def test_the_report_of_a_corrected_section_is_written_anew_and_that_of_its_batch_says_so(folder):
    section = folder.sections[0]
    own, of_batch = section.folder / "report.html", section.folder.parent / "report.html"
    write_report(own, section.folder)
    write_report(of_batch, [each.folder for each in folder.sections[:2]])
    before = own.read_text()
    session = work(section, "anna", correct)
    for _ in range(2):
        write_results(section, session.subject)
    assert "manual" not in before
    assert "manual" in own.read_text()
    assert of_batch.read_text().count("brain_s001 has changed since this page was written.") == 1


def test_a_section_without_a_report_gets_none(folder):
    section = folder.sections[0]
    write_results(section, work(section, "anna", correct).subject)
    assert not list(section.folder.parent.rglob("report.html"))


def test_results_are_current_until_something_else_is_said(folder):
    section = folder.sections[0]
    assert results_are_current(section)
    session = work(section, "anna", correct)
    assert not results_are_current(section)
    write_results(section, session.subject)
    assert results_are_current(section)
    session.undo()
    assert not results_are_current(section)


def test_the_table_of_landmarks_is_one_that_register_reads(folder):
    section = folder.sections[0]
    session = work(section, "anna", correct)
    write_results(section, session.subject)
    pairs = read_landmark_pairs(section.folder / "landmarks.csv").of("brain_s001")
    assert len(pairs) == 3
    moving = session.subject.to_canvas(pairs.section_xy)
    assert np.allclose(moving, [pair.moving_xy for pair in session.labels.placed], atol=1e-3)


def test_a_dataset_holds_the_corrected_sections_and_says_why_not_the_others(folder, project):
    work(folder.sections[0], "anna", correct)
    work(folder.sections[1], "bob", lambda s: s.set_state("rejected"))
    made = dataset_from_labels(project / "run", project / "pairs.h5", images=[project / "images"], stain="Nissl")
    assert made.written == {"brain_s001": "anna"}
    assert "rejected" in made.left_out["brain_s002"]
    assert "untouched" in made.left_out["brain_s003"]
    assert check_dataset(project / "pairs.h5") == []


def test_a_pair_of_the_dataset_is_the_corrected_registration(folder, project):
    session = work(folder.sections[0], "anna", correct)
    dataset_from_labels(project / "run", project / "pairs.h5", images=[project / "images"], dataset_id=7)
    registration = corrected(session.subject, folder.sections[0].latest())
    with open_dataset(project / "pairs.h5") as file:
        field = DisplacementField.from_deltas_xy(file["deltas_xy"][0])
        inverse = DisplacementField.from_deltas_xy(file["inv_deltas_xy"][0])
        image = file["img"][0]
        assert (file["p"][0], file["image_id"][0], file["dataset_id"][0]) == (5000, 1, 7)
        assert file["corners_um"][0, 0].tolist() == [5050, 0, 0]  # the middle of its voxel
    assert np.abs(field.deltas_xy - registration.field.deltas_xy).max() < 0.01
    assert field(inverse).norm[15:65, 20:95].max() < 0.1
    assert np.abs(image / 255 - registration.moving).max() < 0.003


def test_pairs_can_have_another_size(folder, project):
    session = work(folder.sections[0], "anna", correct)
    dataset_from_labels(project / "run", project / "pairs.h5", images=[project / "images"], shape=(160, 228))
    registration = corrected(session.subject, folder.sections[0].latest())
    with open_dataset(project / "pairs.h5") as file:
        field = DisplacementField.from_deltas_xy(file["deltas_xy"][0].astype(np.float32))
        assert file["img"].shape == (1, 160, 228)
    expected = registration.field.resize_constant((160, 228))
    assert np.abs(field.deltas_xy - expected.deltas_xy).max() < 0.02


def test_a_section_that_folds_is_left_out(folder, project):
    work(folder.sections[0], "anna", correct)
    work(folder.sections[1], "anna", lambda s: (s.add((40, 40), (80, 40)), s.add((60, 40), (30, 40))))
    how = {"images": [project / "images"], "max_folded_pixels": 10}
    made = dataset_from_labels(project / "run", project / "pairs.h5", **how)
    assert list(made.written) == ["brain_s001"]
    assert "fold at fewer than 10 px" in made.left_out["brain_s002"]


def test_nothing_is_written_where_no_section_can_be_used(folder, project):
    with pytest.raises(AtlalignError, match="must have a corrected section"):
        dataset_from_labels(project / "run", project / "pairs.h5", images=[project / "images"])
    assert not (project / "pairs.h5").exists()


def test_a_section_without_any_field_can_be_labelled_from_nothing(tmp_path):
    folder = LabelFolder(make_series(tmp_path, 1, nothing), [tmp_path / "images"])
    session = work(folder.sections[0], "anna", lambda s: s.add((40, 30), (44, 30)))
    assert session.labels.pairs == session.labels.placed
    registration = corrected(session.subject, folder.sections[0].latest())
    assert registration.field.transform_points([[40, 30]])[0] == pytest.approx([44, 30], abs=0.05)


@pytest.fixture
def pictures(tmp_path):
    """A reference, and a moving picture of another size."""
    reference = np.round(255 * ATLAS.reference_plane(6000)).astype(np.uint8)
    moving = np.round(255 * ATLAS.reference_plane(6000, (160, 228))).astype(np.uint8)
    iio.imwrite(tmp_path / "ref.png", reference)
    iio.imwrite(tmp_path / "mov.png", np.repeat(moving[..., None], 3, axis=2))
    return tmp_path


def test_of_two_pictures_the_field_warps_the_moving_one_itself(pictures):
    [section] = start_pictures(pictures / "ref.png", pictures / "mov.png", pictures / "out").sections
    session = work(section, "anna", lambda s: s.add((40, 30), (43, 31)))
    write_results(section, session.subject)
    field = DisplacementField.from_file(section.folder / "deltas_xy.npy")
    to_moving = np.array([43, 31]) * 2 + 0.5
    assert field.shape == (80, 114)
    assert field.transform_points([[40, 30]])[0] == pytest.approx(to_moving, abs=0.1)
    assert iio.imread(section.folder / "registered.png").shape == (80, 114, 3)
    inverse = DisplacementField.from_file(section.folder / "inv_deltas_xy.npy")
    assert inverse.shape == (160, 228)
    assert inverse.transform_points([to_moving])[0] == pytest.approx([40, 30], abs=0.1)
    table = pd.read_csv(section.folder / "landmarks.csv")
    assert table.iloc[0].tolist() == pytest.approx([40, 30, *to_moving])


def test_pictures_that_need_nothing_are_left_as_they_are(pictures):
    [section] = start_pictures(pictures / "ref.png", pictures / "ref.png", pictures / "out").sections
    session = LabelSession(section.load(), on_change=lambda labels: section.save("anna", labels, session.subject))
    session.set_note("the same")
    write_results(section, session.subject)
    assert DisplacementField.from_file(section.folder / "deltas_xy.npy").norm.max() < 1e-4
    assert (iio.imread(section.folder / "registered.png") == iio.imread(pictures / "ref.png")).all()


def test_two_pictures_make_no_dataset(pictures):
    start_pictures(pictures / "ref.png", pictures / "mov.png", pictures / "out")
    with pytest.raises(AtlalignError, match="two pictures"):
        dataset_from_labels(pictures / "out", pictures / "pairs.h5")
