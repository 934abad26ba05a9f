"""Who does the work of a job: how many threads its processes have, and what Ctrl-C does to them."""

import os
import signal
from pathlib import Path

import pytest

from atlalign._workers import limited_threads, thread_share, workforce
from atlalign.errors import AtlalignError


def seen(name):
    """What a worker sees of its surroundings."""
    return os.environ.get(name), signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def killing(item):
    """What kills its process always, never, or only if there is no such file yet, which it then makes."""
    if item == "always" or (item != "never" and not Path(item).exists()):
        if item != "always":
            Path(item).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_each_core_has_one_thread():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert thread_share(1) == cores
    assert thread_share(2 * cores) == 1


def test_the_environment_is_as_before_afterwards(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    with limited_threads(3):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["TF_NUM_INTRAOP_THREADS"] == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


def test_processes_have_their_share_of_threads_and_leave_ctrl_c_to_their_parent():
    before = signal.getsignal(signal.SIGINT)
    with workforce(2, threads=3) as run:
        assert set(run(seen, ["TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"])) == {("3", True)}
    assert signal.getsignal(signal.SIGINT) == before


def test_an_item_whose_process_is_killed_is_tried_once_more(tmp_path):
    once = str(tmp_path / "once")
    with workforce(2, lost=lambda item: f"lost: {item}") as run:
        found = list(run(killing, ["never", once, "never"]))
    assert sorted(found) == sorted(["never", once, "never"])


def test_an_item_that_kills_its_process_again_is_lost_and_the_rest_goes_on():
    with workforce(2, lost=lambda item: f"lost: {item}") as run:
        found = list(run(killing, ["never", "always", "never", "never"]))
    assert sorted(found) == sorted(["never", "lost: always", "never", "never"])


def test_a_killed_process_is_an_error_where_nobody_says_what_becomes_of_its_item():
    with workforce(2) as run, pytest.raises(AtlalignError, match="ended by itself"):
        list(run(killing, ["always"]))


def test_when_every_process_is_killed_the_work_ends():
    with workforce(2, lost=str) as run, pytest.raises(AtlalignError, match="ended by itself"):
        list(run(killing, ["always"] * 20))
