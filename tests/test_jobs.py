"""Jobs that are interrupted, damaged, repeated or doubled."""

import json
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from atlalign._jobs import make_dataset, rows_of
from atlalign.dataset import Attributes
from atlalign.errors import AtlalignError

N = 20  # three blocks


class Rows:
    """The task: columns that say their row and the seed."""

    def __init__(self, seed):
        self.seed = seed

    def __call__(self, block):
        rows = np.array(rows_of(block, N))
        return {"image_id": rows, "dataset_id": np.full(len(rows), self.seed % 1000)}


def make(path, make_task=Rows, settings=None, seed=0, **options):
    options = {"what": "test", "random_state": seed, **options}
    make_dataset(path, N, (16, 16), Attributes(), make_task, settings or {}, **options)


def interrupt(blocks, **_):
    next(iter(blocks))
    raise KeyboardInterrupt


def fail(block):
    raise ValueError("no such thing")


@pytest.fixture
def whole(tmp_path):
    """The bytes of the file when nothing goes wrong."""
    make(tmp_path / "whole.h5")
    content = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "whole.h5").unlink()
    return content


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a job of which one block is finished, and its output."""
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out.h5", progress=interrupt)
    return tmp_path / ".out.h5.parts", tmp_path / "out.h5"


def test_a_job_whose_first_block_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no such thing"):
        make(tmp_path / "out.h5", lambda seed: fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("journal", ['{"seed": 9, "other": 1}', "{}", "not JSON"])
def test_a_killed_job_that_finished_nothing_is_not_in_the_way(tmp_path, whole, journal):
    parts = tmp_path / ".out.h5.parts"
    parts.mkdir()
    (parts / "settings.json").write_text(journal)
    (parts / ".000000.x.npz").write_bytes(b"half a block")
    make(tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_a_finished_block_of_other_settings_is_in_the_way(interrupted):
    parts, output = interrupted
    for changes in ({"settings": {"size": 3}}, {"seed": 1}):
        with pytest.raises(AtlalignError, match="unfinished test with other settings"):
            make(output, **changes)
        assert (parts / "000000.npz").exists()


@pytest.mark.parametrize("damage", [b"", b"PK", b"not a block"])
def test_a_damaged_block_is_made_again(interrupted, whole, damage):
    parts, output = interrupted
    (parts / "000000.npz").write_bytes(damage)
    make(output)
    assert output.read_bytes() == whole


def test_a_block_with_a_flipped_bit_or_a_lost_end_is_made_again(interrupted, whole):
    parts, output = interrupted
    block = parts / "000000.npz"
    content = bytearray(block.read_bytes())
    content[150] ^= 1
    block.write_bytes(content)
    (parts / "000001.npz").write_bytes(content[:-40])
    make(output)
    assert output.read_bytes() == whole


@pytest.mark.parametrize("journal", ["{}", "[]", "not JSON", '{"seed": "x"}', b"\xff\xfe"])
def test_damaged_settings_of_finished_blocks_are_said_in_one_line(interrupted, journal):
    parts, output = interrupted
    (parts / "settings.json").write_bytes(journal if isinstance(journal, bytes) else journal.encode())
    with pytest.raises(AtlalignError, match=r"is damaged\. Remove its folder") as raised:
        make(output)
    assert str(parts) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert (parts / "000000.npz").exists()


def test_a_second_job_with_one_output_is_refused_and_does_no_harm(tmp_path, whole):
    output = tmp_path / "out.h5"

    def second(blocks, **_):
        for block in blocks:
            with pytest.raises(AtlalignError, match="another job is at work") as raised:
                make(output)
            assert "\n" not in str(raised.value)
            yield block

    make(output, progress=second)
    assert output.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_the_lock_of_a_killed_process_does_not_stay(tmp_path, whole):
    output = tmp_path / "out.h5"
    code = (
        "import os, signal, sys\n"
        "from tests.test_jobs import make\n"
        "def die(blocks, **_):\n"
        "    next(iter(blocks))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "make(sys.argv[1], progress=die)\n"
    )
    root = os.path.dirname(os.path.dirname(__file__))
    assert subprocess.run([sys.executable, "-c", code, output], cwd=root, check=False).returncode == -9
    assert json.loads((tmp_path / ".out.h5.parts" / "settings.json").read_text())["seed"] == 0
    make(output)
    assert output.read_bytes() == whole


def test_a_script_without_a_main_guard_is_told_so(tmp_path, monkeypatch):
    def broken(self, *_):
        raise BrokenProcessPool

    monkeypatch.setattr("atlalign._workers.ProcessPoolExecutor.submit", broken)
    with pytest.raises(AtlalignError, match=r"if __name__ == .__main__.:") as raised:
        make(tmp_path / "out.h5", workers=2)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_blocks_of_a_job_are_all_rows():
    rows = [row for block in range(3) for row in rows_of(block, N)]
    assert rows == list(range(N))
