"""What scripts/check_wheel.py finds wrong with archives and with commands."""

import importlib
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INFO = "atlalign-1.dist-info"
METADATA = """Metadata-Version: 2.4
Name: atlalign
Version: 1
Summary: Registers sections
Requires-Python: >=3.11
License-Expression: MIT
Description-Content-Type: text/markdown
Provides-Extra: docs
Classifier: Programming Language :: Python :: 3.11
"""
PROJECT = """[project]
name = "atlalign"
version = "1"
description = "Registers sections"
requires-python = ">=3.11"
license = "MIT"
scripts = { atlalign = "atlalign.cli:main" }
optional-dependencies = { docs = ["sphinx"] }
"""


@pytest.fixture
def release(monkeypatch):
    """Import a module of the scripts."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.fixture
def archives(release):
    return release("release.archives")


@pytest.fixture
def checkout(tmp_path):
    """A small project and what a wheel of it holds."""
    (tmp_path / "atlalign").mkdir()
    (tmp_path / "atlalign" / "base.py").touch()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


@pytest.fixture
def whole(archives):
    """What a wheel without faults holds."""
    scripts = "[console_scripts]\natlalign = atlalign.cli:main\n"
    names = (*archives.DATA, "atlalign/base.py", f"{INFO}/licenses/LICENSE")
    return {**dict.fromkeys(names, ""), f"{INFO}/METADATA": METADATA, f"{INFO}/entry_points.txt": scripts}


def make_wheel(folder, files):
    with zipfile.ZipFile(folder / "a.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return folder / "a.whl"


def test_a_whole_wheel_has_no_faults(archives, checkout, whole):
    wheel = make_wheel(checkout, whole)
    assert archives.wheel_faults(wheel, checkout) == archives.metadata_faults(wheel, checkout, ["3.11"]) == []


@pytest.mark.parametrize("name", ["atlalign/base.py", "atlalign/py.typed", f"{INFO}/licenses/LICENSE"])
def test_a_missing_file_is_named(archives, checkout, whole, name):
    del whole[name]
    assert archives.wheel_faults(make_wheel(checkout, whole), checkout) == [f"{name} is missing"]


@pytest.mark.parametrize("name", ["tests/test_base.py", "atlalign/__pycache__/base.pyc"])
def test_a_file_that_does_not_belong_there_is_named(archives, checkout, whole, name):
    found = archives.wheel_faults(make_wheel(checkout, {**whole, name: ""}), checkout)
    assert found == [f"{name} does not belong there"]


def test_a_missing_command_is_named(archives, checkout, whole):
    whole[f"{INFO}/entry_points.txt"] = ""
    assert archives.wheel_faults(make_wheel(checkout, whole), checkout) == ["no console script atlalign"]


def test_metadata_that_say_otherwise_are_named(archives, checkout, whole):
    whole[f"{INFO}/METADATA"] = METADATA.replace(">=3.11", ">=3.9").replace("Provides-Extra: docs\n", "")
    assert archives.metadata_faults(make_wheel(checkout, whole), checkout, ["3.11", "3.12"]) == [
        "Requires-Python is '>=3.9', not '>=3.11'",
        "no classifier 'Programming Language :: Python :: 3.12', but it is tried on it",
        "no extra 'docs'",
    ]


def test_what_a_source_distribution_lacks_is_named(archives, tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in {*archives.SOURCES, *archives.DATA} - {"README.md"}:
            (tmp_path / "file").touch()
            archive.add(tmp_path / "file", f"atlalign-1/{name}")
    assert archives.source_faults(tmp_path / "a.tar.gz") == ["README.md is missing"]


@pytest.mark.parametrize(
    ("code", "says", "leaves", "fault"),
    [
        ("print(1)", "1", (), None),
        ("print(1)", "2", (), "does not say '2': '1'"),
        ("open('a', 'w')", "", ("a",), None),
        ("pass", "", ("a",), "a was not written"),
        ("raise SystemExit(3)", "", (), "exit code 3"),
    ],
)
def test_a_step_has_to_end_well_say_and_leave_what_it_should(release, tmp_path, code, says, leaves, fault):
    step = release("check_wheel").Step("step", (sys.executable, "-c", code), says, leaves)
    assert step.faults(tmp_path, dict(os.environ)) == ([fault] if fault else [])


def test_a_program_that_is_not_there_is_a_fault(release, tmp_path):
    (fault,) = release("check_wheel").Step("step", (str(tmp_path / "none"),)).faults(tmp_path, {})
    assert "none" in fault
