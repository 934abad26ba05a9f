"""A labelled folder, made once and copied for each test."""

import shutil

import pytest

from atlalign.label import LabelFolder
from tests.label.run_maker import make_series


@pytest.fixture(scope="session")
def made_series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_series(folder)
    return folder


@pytest.fixture
def project(made_series, tmp_path):
    """A folder with `images` and `run`, three sections in it."""
    shutil.copytree(made_series, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def folder(project):
    return LabelFolder(project / "run", [project / "images"])
