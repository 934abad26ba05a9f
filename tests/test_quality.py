"""The tree keeps its own rules: lint, types, layering, file sizes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "atlalign").rglob("*.py"))

# What the named parts may not import at the top of a module: arrows point down only.
FORBIDDEN = {
    "landmarks.py _field base.py zoo atlas plane.py plane_io.py section dataset.py errors.py": (
        r"keras|tensorflow|atlalign\.(ml_utils|nn|training|registration|cli)"
    ),
    "simulate augmentations quint pairs metrics evaluation non_ml weights _cache.py _jobs.py data.py volume": (
        r"keras|tensorflow|atlalign\.(ml_utils|nn|training|registration|cli)"
    ),
    "registration report": r"keras|tensorflow|atlalign\.(ml_utils|nn|training|cli)",
    "nn ml_utils": r"tensorflow|atlalign\.(atlas\.\w+|registration|cli|training)",
    "training demo.py": r"keras|tensorflow|atlalign\.cli",
}


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_tree_passes(command):
    finished = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("parts", FORBIDDEN)
def test_arrows_between_modules_point_down(parts):
    paths = [ROOT / "atlalign" / part for part in parts.split()]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    assert len(files) >= len(paths)
    imports = re.compile(rf"^(?:from|import) (?:{FORBIDDEN[parts]})\b.*$", re.MULTILINE)
    found = {str(file.relative_to(ROOT)): imports.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_file_holds_two_concepts():
    assert [str(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_the_ci_script_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if "pytest" in line]
    assert len(commands) == 1
    assert commands[0] in readme
