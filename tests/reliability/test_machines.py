"""The commands work on machines that are not like the one they were written on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign import Atlas

COMMAND = "from atlalign.cli import main; main()"
# What runs before the command: any connection is refused, and said.
NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        sys.stderr.write(f"NETWORK {arguments}")
        raise OSError("no network here")
sys.addaudithook(refuse)
"""
# Networks that need no loading; what a registration does besides is the same.
FORGETFUL = """
import atlalign.cli.register as command
import atlalign.registration.predicting as predicting
command.load_keras = lambda: None
predicting._predictor = lambda model, what: lambda reference, moving: __import__("numpy").zeros((*reference.shape, 2))
"""


def run(*words, code=COMMAND, before=FORGETFUL, env=None, cwd=None):
    """Run a command line in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", before + "\n" + code, *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, env=environment, cwd=cwd)


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    path = tmp_path_factory.mktemp("sections") / "section.png"
    iio.imwrite(path, (255 * Atlas.load("phantom:200").reference_plane(6000)).astype(np.uint8))
    return path


def register(section, out, **how):
    words = ["register", section, "--atlas", "phantom:200", "--position-um", 6000, "--pixel-size-um", 200, "--out", out]
    return run(*words, **how)


def test_paths_may_hold_spaces_and_any_script(section, tmp_path):
    folder = tmp_path / "Gehirn Nr. 1 \N{LATIN SMALL LETTER O WITH DIAERESIS} \u8133 \U0001f9e0"
    folder.mkdir()
    own = folder / "Schnitt \u00fc 1.png"
    own.write_bytes(section.read_bytes())
    finished = register(own, folder / "out \u00e9")
    assert finished.returncode == 0, finished.stderr
    record = json.loads((folder / "out \u00e9" / "registration.json").read_text(encoding="utf-8"))
    assert record["section"]["name"] == own.name


@pytest.mark.parametrize("locale", ["C", "tr_TR.ISO-8859-9"])
def test_the_locale_does_not_matter(section, tmp_path, locale):
    env = {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    finished = register(section, tmp_path / "out", env=env)
    assert finished.returncode == 0, finished.stderr


def test_no_home_is_needed(section, tmp_path):
    gone = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ATLALIGN_CACHE"))
    finished = register(section, tmp_path / "out", env={**gone, "HOME": "/nonexistent", "MPLCONFIGDIR": str(tmp_path)})
    assert finished.returncode == 0, finished.stderr


def test_registering_asks_nothing_of_the_network(section, tmp_path):
    finished = register(section, tmp_path / "out", before=NO_NETWORK + FORGETFUL)
    assert finished.returncode == 0, finished.stderr
    assert b"NETWORK" not in finished.stderr


def test_the_temporary_folder_may_be_missing(section, tmp_path):
    finished = register(section, tmp_path / "out", env={"TMPDIR": str(tmp_path / "none")})
    assert finished.returncode == 0, finished.stderr


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no folder here that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_refused_in_one_line(section):
    finished = register(section, "/proc/atlalign")
    assert finished.returncode == 2
    message = finished.stderr.decode().strip().splitlines()[-1]
    assert "/proc" in message
    assert b"Traceback" not in finished.stderr


def test_two_registrations_into_one_folder_leave_whole_files(section, tmp_path):
    words = [sys.executable, "-c", FORGETFUL + COMMAND, "register", str(section), "--atlas", "phantom:200"]
    words += ["--position-um", "6000", "--pixel-size-um", "200", "--out", str(tmp_path / "out")]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [(process.communicate(), process.returncode) for process in both]
    assert all(code == 0 or b"another job is at work" in err for (_, err), code in answers), answers
    assert any(code == 0 for _, code in answers)
    from atlalign.registration import RegistrationFiles, read_registration

    assert read_registration(tmp_path / "out").section_to_atlas([[3, 4]]).shape == (1, 3)
    assert RegistrationFiles(tmp_path / "out").read_labels().shape == (40, 57)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
