"""From an image, a series or two pictures to a folder that can be labelled."""

import json

import cv2
import numpy as np
import pytest

from atlalign.errors import AtlalignError
from atlalign.export import write_quint
from atlalign.label import LabelFolder, LabelSession
from atlalign.label.opening import start_pictures, start_section, start_series
from atlalign.quint import MarkerWarp, read_series
from atlalign.registration import RegistrationFiles
from tests.label.run_maker import ATLAS
from tests.quint.series_maker import SHAPE, entry, picture, small_series, write_series


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "s1.png"
    cv2.imwrite(str(path), (255 * ATLAS.reference_plane(6000, (160, 228))).astype("uint8"))
    return path


def test_a_section_is_placed_and_has_no_field_yet(image, tmp_path):
    [section] = start_section(image, ATLAS, tmp_path / "s1", position_um=6000).sections
    assert [step["name"] for step in RegistrationFiles(tmp_path / "s1").read_record()["steps"]] == ["canvas"]
    assert LabelSession(section.load()).labels.pairs == ()


def test_the_same_call_goes_on_with_what_was_said(image, tmp_path):
    [section] = start_section(image, ATLAS, tmp_path / "s1", position_um=6000).sections
    subject = section.load()
    LabelSession(subject, on_change=lambda labels: section.save("anna", labels, subject)).add((40, 30), (42, 30))
    [again] = start_section(image, ATLAS, tmp_path / "s1", position_um=5000).sections
    assert again.state == "corrected"
    assert start_section(image, None, tmp_path / "s1").sections[0].state == "corrected"


def test_the_folder_of_another_section_is_left_alone(image, tmp_path):
    start_section(image, ATLAS, tmp_path / "s1", position_um=6000)
    other = tmp_path / "s2.png"
    other.write_bytes(image.read_bytes())
    with pytest.raises(ValueError, match=r"which is of s1\.png, for s2\.png"):
        start_section(other, ATLAS, tmp_path / "s1", position_um=6000)


def test_a_folder_with_other_things_is_left_alone(image, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(FileExistsError, match="new or empty"):
        start_section(image, ATLAS, tmp_path / "photos", position_um=6000)


def test_a_section_without_a_place_is_refused(image, tmp_path):
    with pytest.raises(ValueError, match="without --position-um"):
        start_section(image, ATLAS, tmp_path / "s1")
    assert not (tmp_path / "s1").exists()


def test_a_series_opens_as_visualign_shows_it(tmp_path):
    series = small_series(tmp_path)
    folder, left_out = start_series(series, tmp_path, ATLAS, tmp_path / "run")
    assert left_out == {}
    assert len(folder.sections) == 3
    [_, written, _], _ = read_series(series, extent_um=ATLAS.shape_um)
    subject = folder.sections[1].load()
    points = np.array([[60.0, 50], [30, 40], [80, 60]])
    overlaid = MarkerWarp(written.markers).section_to_overlay(points, SHAPE)
    expected = written.plane.pixels_to_um(overlaid, SHAPE)
    assert np.linalg.norm(subject.registration.section_to_atlas(points) - expected, axis=1).max() < 60
    assert any(pair.automatic for pair in LabelSession(subject).labels.pairs)


def test_sections_that_cannot_be_used_are_named(tmp_path):
    plane = ATLAS.plane(6050)
    fold = [[30, 40, 80, 40], [80, 40, 30, 40]]
    series = write_series(
        tmp_path,
        [
            ("good.png", picture(plane, SHAPE), entry("good.png", plane, SHAPE)),
            ("folded.png", picture(plane, SHAPE), entry("folded.png", plane, SHAPE, fold)),
            ("missing.png", None, entry("missing.png", plane, SHAPE)),
            ("free.png", None, {"filename": "free.png"}),
        ],
    )
    folder, left_out = start_series(series, tmp_path, ATLAS, tmp_path / "run")
    assert [section.name for section in folder.sections] == ["good"]
    assert set(left_out) == {"folded.png", "missing.png", "free.png"}
    assert "fold" in left_out["folded.png"]


def test_a_series_without_any_section_that_can_be_used_is_refused(tmp_path):
    plane = ATLAS.plane(6050)
    blank = np.full(SHAPE, 255, np.uint8)
    series = write_series(tmp_path, [("a.png", blank, entry("a.png", plane, SHAPE))])
    with pytest.raises(AtlalignError, match="must have a section that can be used"):
        start_series(series, tmp_path, ATLAS, tmp_path / "run")


def test_a_corrected_series_goes_back_to_visualign(tmp_path):
    from atlalign.label import corrected

    folder, _ = start_series(small_series(tmp_path), tmp_path, ATLAS, tmp_path / "run")
    section = folder.sections[1]
    subject = section.load()
    session = LabelSession(subject, on_change=lambda labels: section.save("anna", labels, subject))
    session.add((40, 30), np.array(session.moving_point((40, 30))) + np.array([4, 0]))
    registration = corrected(subject, section.latest())
    path = write_quint(tmp_path / "back.json", registration)
    assert json.loads(path.read_text())["slices"][0]["markers"]
    [again], _ = read_series(path, extent_um=ATLAS.shape_um)
    points = subject.to_section([session.labels.placed[0].moving_xy])
    overlaid = MarkerWarp(again.markers).section_to_overlay(points, subject.registration.section.shape)
    there = again.plane.pixels_to_um(overlaid, subject.registration.section.shape)
    expected = registration.section_to_atlas(points)
    assert np.linalg.norm(there - expected) < 250


def test_two_pictures_are_copied_and_found_again(image, tmp_path):
    folder = start_pictures(image, image, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["moving.png", "reference.png"]
    assert folder.sections[0].load().shape == (160, 228)
    assert LabelFolder(tmp_path / "out").sections[0].is_pair_of_pictures
    start_pictures(image, image, tmp_path / "out")


def test_a_folder_of_other_pictures_is_left_alone(image, tmp_path):
    start_pictures(image, image, tmp_path / "out")
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.zeros((160, 228), np.uint8))
    with pytest.raises(ValueError, match="another than"):
        start_pictures(other, image, tmp_path / "out")


def test_a_file_that_is_no_picture_is_refused_before_anything_is_written(image, tmp_path):
    (tmp_path / "text.png").write_text("Dear colleague,")
    with pytest.raises(ValueError, match=r"text\.png"):
        start_pictures(image, tmp_path / "text.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()
