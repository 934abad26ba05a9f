"""The tree keeps its own rules: lint, types, arrows between modules, file sizes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "atlalign").rglob("*.py"))

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.exit(", ".join({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)) or 0)
"""


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_tree_passes(command):
    finished = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_no_import_breaks_a_contract():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " kept, 0 broken" in finished.stdout


def test_no_module_but_those_of_networks_loads_keras_when_it_is_imported():
    modules = (path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in SOURCES)
    names = [name for name in modules if not name.startswith(("atlalign.ml_utils.", "atlalign.nn."))]
    assert len(names) > 200
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_no_file_holds_two_concepts():
    files = [path for part in ("atlalign", "docs", "scripts", "tests") for path in (ROOT / part).rglob("*.py")]
    assert [str(path) for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_the_ci_script_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if "pytest" in line]
    assert len(commands) == 1
    assert commands[0] in readme
