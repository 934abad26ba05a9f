"""Who does the work of a job: how many threads its processes have, and what Ctrl-C does to them."""

import os
import signal

from atlalign._workers import limited_threads, thread_share, workforce


def seen(name):
    """What a worker sees of its surroundings."""
    return os.environ.get(name), signal.getsignal(signal.SIGINT) == signal.SIG_IGN


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
