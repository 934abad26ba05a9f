"""One QUINT file for a batch: every folder's section in it, as its own file would have it."""

import json
import shutil

import numpy as np
import pytest

from atlalign import Atlas, Section, register
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.export import write_quint, write_quint_series
from atlalign.quint import MarkerWarp, read_series
from atlalign.registration import read_registration
from tests.export.export_maker import ATLAS, bending, registered, turned
from tests.export.export_maker import oblique_plane as oblique

NAMES = ("mouse_s004.png", "mouse_s002.png", "mouse_s010.png")


def nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2))


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Registrations of three sections, one of them mirrored, and their result folders."""
    planes = (oblique(6500), turned(oblique(6850), True, 0), ATLAS.plane(7400))
    registrations = [
        registered(plane, name=name, model=bending(sigma=25, seed=seed))
        for seed, (plane, name) in enumerate(zip(planes, NAMES, strict=True))
    ]
    results = tmp_path_factory.mktemp("results")
    return registrations, [one.save(results / one.section.name) for one in registrations]


def read_back(path):
    sections, without_anchoring = read_series(path, extent_um=ATLAS.shape_um)
    assert not without_anchoring
    return {section.filename: section for section in sections}


@pytest.fixture(scope="module")
def series(batch, tmp_path_factory):
    return write_quint_series(batch[1], tmp_path_factory.mktemp("series") / "quint.json", tolerance_px=2)


def test_all_sections_are_in_one_file_with_their_numbers(series):
    assert {name: section.number for name, section in read_back(series).items()} == {
        "mouse_s004.png": 4,
        "mouse_s002.png": 2,
        "mouse_s010.png": 10,
    }
    content = json.loads(series.read_text())
    assert (content["name"], content["target"], content["target-resolution"]) == ("quint", "phantom", [114, 132, 80])


@pytest.mark.parametrize("number", range(3))
def test_what_is_read_back_says_of_labelled_points_what_the_registration_says(batch, series, number):
    registration, written = batch[0][number], read_back(series)[NAMES[number]]
    y, x = (axis[::5] for axis in np.nonzero(registration.labels()))
    points = np.stack([x, y], axis=1).astype(float)
    overlaid = points
    if written.markers is not None:
        overlaid = MarkerWarp(written.markers).section_to_overlay(points, registration.section.shape)
    apart_um = written.plane.pixels_to_um(overlaid, registration.section.shape) - registration.section_to_atlas(points)
    apart_px = np.linalg.norm(apart_um, axis=1) / (written.plane.width_um / written.size[0])
    assert len(points) > 500
    assert apart_px.max() < 2.2


def test_registrations_that_are_in_memory_can_be_among_the_folders(batch, tmp_path):
    registrations, folders = batch
    mixed = [registrations[0], folders[1], read_registration(folders[2])]
    path = write_quint_series(mixed, tmp_path / "a.json", tolerance_px=3)
    assert set(read_back(path)) == set(NAMES)


def test_of_a_registration_in_memory_the_series_is_that_of_write_quint(batch, tmp_path):
    one = write_quint_series([batch[0][0]], tmp_path / "a.json", tolerance_px=3)
    other = write_quint(tmp_path / "b.json", batch[0][0], tolerance_px=3)
    assert json.loads(one.read_text())["slices"] == json.loads(other.read_text())["slices"]


def test_names_of_images_can_be_given(batch, tmp_path):
    path = write_quint_series(batch[1][:2], tmp_path / "a.json", filenames=["x_s7.jpg", "y.jpg"], tolerance_px=9)
    assert {name: section.number for name, section in read_back(path).items()} == {"x_s7.jpg": 7, "y.jpg": 1}


def test_folders_are_read_one_by_one_and_share_their_atlas(batch, tmp_path, monkeypatch):
    loads, alive = [], []
    load = Atlas.load

    def counting(*args, **how):
        loads.append(args)
        return load(*args, **how)

    monkeypatch.setattr("atlalign.registration.saved.Atlas.load", counting)
    write_quint_series(
        batch[1], tmp_path / "a.json", tolerance_px=9, progress=lambda items: alive.append(items) or items
    )
    assert len(loads) == 1
    assert len(alive[0]) == 3


def test_what_is_masked_out_costs_no_markers(tmp_path):
    image = ATLAS.reference_plane(6000, (94, 126))
    mask = np.zeros(image.shape)
    mask[30:50, 30:50] = 1
    counts = []
    for given in (None, mask):
        section = Section(image, 90, name="a.png")
        how = {"plane": ATLAS.plane(6000), "local_model": bending(sigma=20)}
        folder = register(section, ATLAS, mask=given, **how).save(tmp_path / "out")
        path = write_quint_series([folder], tmp_path / "a.json", tolerance_px=1)
        counts.append(len(read_back(path)["a.png"].markers or ()))
    assert counts[1] < counts[0]


class TestRefused:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"filenames": ["a.png"] * 3}, "a name of its own"),
            ({"filenames": ["a_s1.png", "b_s1.png", "c.png"]}, "a number of its own"),
            ({"longest_side": 0}, "must be positive"),
        ],
    )
    def test_what_is_no_series_is_refused_before_anything_is_written(self, batch, tmp_path, more, message):
        with pytest.raises(ValueError, match=message):
            write_quint_series(batch[1], tmp_path / "a.json", **more)
        assert not list(tmp_path.iterdir())

    def test_no_section(self, tmp_path):
        with pytest.raises(ValueError, match="at least one section"):
            write_quint_series([], tmp_path / "a.json")

    def test_another_atlas(self, batch, tmp_path):
        other = Atlas.load("phantom:200")
        section = Section(other.reference_plane(6000), 200, name="other.png")
        folder = register(section, other, position_um=6000, local_model=nothing_to_do).save(tmp_path / "out")
        with pytest.raises(ValueError, match="one atlas"):
            write_quint_series([batch[1][0], folder], tmp_path / "a.json", tolerance_px=9)
        with pytest.raises(AtlasError, match="must be the one that the section was registered to"):
            write_quint_series([batch[1][0]], tmp_path / "a.json", atlas=other)
        assert not (tmp_path / "a.json").exists()

    def test_a_folder_that_holds_no_result(self, batch, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"registration\.json"):
            write_quint_series([batch[1][0], tmp_path], tmp_path / "a.json")
        copy = tmp_path / "copy"
        shutil.copytree(batch[1][0], copy)
        (copy / "registration.json").write_text("{}")
        with pytest.raises(InvalidFileError, match="must name its section"):
            write_quint_series([copy], tmp_path / "a.json")
