"""The documentation builds without a warning, its examples run, and it forgets nothing public."""

import doctest
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import atlalign
from atlalign.cli import dataset, evaluate, label, points, register, train, weights

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


@pytest.fixture
def build(tmp_path):
    """A function that builds a copy of the documentation, so that nothing is left in the tree."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("_build", "generated"))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path)

    def run(builder: str) -> Path:
        out = tmp_path / "docs" / "_build" / builder
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", builder, "docs", str(out)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return out

    return run


def test_html_builds_without_a_warning(build):
    out = build("html")
    assert (out / "index.html").is_file()
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    n_plots = sum(len(re.findall(r"^\.\. plot::", page, re.MULTILINE)) for page in pages)
    assert len(list((out / "_images").glob("*.svg"))) == n_plots > 5


def test_examples_of_the_pages_run(build):
    result = (build("doctest") / "output.txt").read_text()
    run = set(re.findall(r"^Document: (\S+)$", result, re.MULTILINE))
    pages = {path for path in (ROOT / "docs").rglob("*.md") if "{doctest}" in path.read_text(encoding="utf-8")}
    with_examples = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in pages}
    assert run == with_examples
    assert {f"tutorials/{path.stem}" for path in (ROOT / "docs" / "tutorials").iterdir()} <= run


def test_every_python_block_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for number, block in enumerate(blocks):
        example = doctest.DocTestParser().get_doctest(block, {}, f"block {number}", str(README), 0)
        assert example.examples, block
        assert runner.run(example).failed == 0


def test_readme_gives_the_command_that_continuous_integration_runs():
    command = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert f"```bash\n{command}\n```" in README.read_text(encoding="utf-8")


def test_every_public_module_is_in_the_reference():
    listed = set(re.findall(r"^   (atlalign\.\S+)$", (ROOT / "docs/reference/index.md").read_text(), re.MULTILINE))
    public = {name for name in _module_names() if not re.search(r"\._|\.cli\b", name)}
    # The other packages speak for their submodules; ml_utils is a folder of modules.
    public = {name for name in public if name.count(".") == 1 or re.fullmatch(r"atlalign\.ml_utils\.\w+", name)}
    assert listed == public - {"atlalign.ml_utils"}


@pytest.mark.parametrize(
    ("application", "command", "page"),
    [
        (train.app, "global", "train"),
        (train.app, "local", "train"),
        (train.app, "position", "train"),
        (dataset.app, "simulate", "train"),
        (dataset.app, "augment", "datasets"),
        (dataset.app, "from-quint", "datasets"),
        (dataset.app, "from-labels", "label"),
        (label.label_command, None, "label"),
        (weights.app, "list", "weights"),
        (weights.app, "fetch", "weights"),
        (evaluate.evaluate_command, None, "evaluate"),
        (points.points_command, None, "points"),
        (register.register_command, None, "register"),
    ],
)
def test_every_option_of_a_command_is_in_its_how_to(application, command, page):
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    missing = [option for option in _options(application, command) if option not in text]
    assert not missing


def _module_names():
    return [module.name for module in pkgutil.walk_packages(atlalign.__path__, "atlalign.")]


def _options(application, command):
    if command is None:
        app = typer.Typer(add_completion=False)
        app.command()(application)
        found = typer.main.get_command(app)
    else:
        found = typer.main.get_command(application).commands[command]
    return [option for parameter in found.params for option in parameter.opts if option.startswith("--")]
