"""Run a command in this process, as the installed script would."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from atlalign.cli import main, main_train


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a command line; returns its exit code and what it wrote."""

    def run(*words):
        words = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", words)
        capfd.readouterr()  # what the test itself made Keras say
        with pytest.raises(SystemExit) as exit_:
            {"atlalign": main, "atlalign-train": main_train}[words[0]]()
        out, err = capfd.readouterr()
        return SimpleNamespace(code=exit_.value.code, out=out, err=err)

    return run


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder in which the installed commands have made a dataset and trained both networks, briefly."""
    folder = tmp_path_factory.mktemp("workshop")
    for line in (
        "atlalign dataset simulate --atlas phantom:100 --n 10 --shape 80,114 g.h5",
        "atlalign-train global g.h5 --out g --epochs 1 --validation-share 0.2",
        "atlalign-train local g.h5 --out l --epochs 1 --validation-share 0.2 --batch-size 4",
    ):
        command, *words = line.split()
        code = f"from atlalign.cli import main, main_train; {'main_train' if 'train' in command else 'main'}()"
        finished = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
    return folder
