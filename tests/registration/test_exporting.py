"""The formats of other tools that a registration is saved in on request."""

import json

import numpy as np
import pytest

from atlalign import Atlas, Section, register
from atlalign.registration.files import RegistrationFiles

ATLAS = Atlas.load("phantom:100")
ALL = ("brainglobe", "itk", "ome", "qupath", "quint")


@pytest.fixture(scope="module")
def registration():
    section = Section(ATLAS.reference_plane(6000), 100, name="brain_s012.png")
    return register(section, ATLAS, position_um=6000, local_model=lambda reference, moving: np.zeros((80, 114, 2)))


def test_every_export_lies_where_the_class_of_names_says(registration, tmp_path):
    files = RegistrationFiles(registration.save(tmp_path / "result", ALL))
    assert files.ome.is_file()
    assert json.loads(files.qupath.read_text())["type"] == "FeatureCollection"
    assert json.loads(files.quint.read_text())["slices"][0]["nr"] == 12
    assert any(files.brainglobe.iterdir())
    assert any(files.itk.iterdir())


def test_none_is_written_that_was_not_asked_for(registration, tmp_path):
    files = RegistrationFiles(registration.save(tmp_path / "result"))
    assert not any(path.exists() for path in (files.ome, files.qupath, files.quint, files.brainglobe, files.itk))


def test_saving_again_into_the_same_folder_replaces_the_exports(registration, tmp_path):
    for _ in range(2):
        registration.save(tmp_path / "result", ALL)


@pytest.mark.parametrize(
    ("names", "match"), [(["visualign"], "must be one of brainglobe"), (["qupath", "qupath-abba"], "Choose one")]
)
def test_what_cannot_be_is_refused_before_anything_is_written(registration, tmp_path, names, match):
    with pytest.raises(ValueError, match=match):
        registration.save(tmp_path / "result", names)
    assert not (tmp_path / "result").exists()
