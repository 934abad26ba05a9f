"""Quality is measured once, and what was measured is in the folder, with the map of the disagreement."""

import json

import numpy as np
import pytest
import tifffile

from atlalign import Atlas, DisplacementField, Registrar, Section
from atlalign.errors import InvalidFileError
from atlalign.registration import quality as quality_package
from atlalign.registration import read_registration
from atlalign.registration.files import RegistrationFiles
from atlalign.report import write_report

ATLAS = Atlas.load("phantom:200")


def nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2))


def registered(variations=0):
    registrar = Registrar(ATLAS, local_model=nothing_to_do)
    section = Section(ATLAS.reference_plane(6000), pixel_size_um=200, name="s001.tif")
    return registrar.register(section, position_um=6000, variations=variations)


@pytest.fixture
def count(monkeypatch):
    """How often quality was measured so far."""
    calls = []
    measure = quality_package.measure
    monkeypatch.setattr(quality_package, "measure", lambda *args, **how: calls.append(1) or measure(*args, **how))
    return lambda: len(calls)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    registration = registered(variations=2)
    return registration, read_registration(registration.save(tmp_path_factory.mktemp("result") / "out"))


class TestMeasuredOnce:
    def test_saving_and_asking_measure_once(self, tmp_path, count):
        registration = registered()
        registration.save(tmp_path / "out")
        assert registration.quality() == registration.quality()
        assert count() == 1

    def test_a_registration_with_another_step_is_measured_anew(self, count):
        registration = registered()
        before = registration.quality()
        shift = DisplacementField.generate(registration.canvas.shape, "affine_simple", translation_x=3)
        after = registration.with_step("manual", shift).quality()
        assert count() == 2
        assert (before["mean_displacement"]["value"], after["mean_displacement"]["value"]) == (0, 600)
        assert registration.without("local").quality() is not before

    def test_a_disagreement_that_comes_later_is_in_it(self):
        registration = registered()
        assert "disagreement_p95" not in registration.quality()
        registration.disagreement = registered(variations=1).disagreement
        assert registration.quality()["disagreement_p95"]["value"] > 0

    def test_what_a_caller_does_with_it_changes_nothing(self):
        registration = registered()
        registration.quality()["folded"]["value"] = "mine"
        assert registration.quality()["folded"]["value"] == 0


class TestSaved:
    def test_quality_json_is_what_quality_gives(self, saved):
        registration, read = saved
        assert json.loads(read.files.quality.read_text()) == registration.quality() == read.quality()

    def test_the_disagreement_is_read_again(self, saved):
        registration, read = saved
        live, again = registration.disagreement, read.disagreement
        assert again.map_um.dtype == np.float32
        assert np.array_equal(again.map_um, live.map_um, equal_nan=True)
        assert np.isnan(again.map_um).any()
        assert (again.median_um, again.p95_um) == (live.median_um, live.p95_um)
        assert again.where == live.where
        for one, other in zip(again.variations, live.variations, strict=True):
            assert np.array_equal(one.matrix, other.matrix)
            assert (one.gamma, one.blur_px, one.mirrored) == (other.gamma, other.blur_px, other.mirrored)

    def test_a_report_of_the_folder_shows_the_disagreement(self, saved, tmp_path):
        page = write_report(tmp_path / "report.html", saved[1].files.folder, atlas=ATLAS).read_text()
        assert "the registrations of 2 variations" in page

    def test_without_variations_there_is_no_map_not_even_an_older_one(self, tmp_path):
        registered(variations=1).save(tmp_path / "out")
        registered().save(tmp_path / "out")
        assert read_registration(tmp_path / "out").disagreement is None

    @pytest.mark.parametrize("spoil", ["remove", "damage", "replace"])
    def test_a_map_that_is_missing_damaged_or_another_one_is_named(self, tmp_path, spoil):
        files = RegistrationFiles(registered(variations=1).save(tmp_path / "out"))
        if spoil == "remove":
            files.disagreement.unlink()
        elif spoil == "damage":
            files.disagreement.write_bytes(b"II*\0")
        else:
            tifffile.imwrite(files.disagreement, np.zeros((3, 4), np.float32))
        with pytest.raises((FileNotFoundError, InvalidFileError), match=r"disagreement\.tif") as refusal:
            _ = read_registration(tmp_path / "out").disagreement
        assert "\n" not in str(refusal.value)

    def test_quality_that_is_missing_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"quality\.json"):
            RegistrationFiles(tmp_path).read_quality()
