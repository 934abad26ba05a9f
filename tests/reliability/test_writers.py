"""Writers that are killed, or run out of room, leave what was there before or what they were writing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

N_KILLS = 8
WRITERS = ("field.npy", "field.nrrd", "pairs.h5", "results", "areas.geojson", "page.html", "run", "provenance.json")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """What each writer left that it must not leave."""
    script = Path(__file__).with_name("kill_writers.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("killed")), str(N_KILLS)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_every_writer_was_tried(wrong):
    assert set(wrong) == set(WRITERS)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_killed_or_crowded_writer_leaves_the_old_content_or_the_new(wrong, writer):
    assert wrong[writer] == []
