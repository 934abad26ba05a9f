"""Several devices train as one would; what they cannot do is refused."""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from atlalign.errors import AtlalignError
from atlalign.ml_utils.io import SupervisedGenerator
from atlalign.ml_utils.models import load_model
from atlalign.run_folder import RunFolder
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, distribution, effective_config, fit
from atlalign.training.distribution import VARIABLES, Devices, open_devices

SCRIPT = Path(__file__).with_name("train_together.py")
# Six pairs to train on: a whole batch and half of one. The optimizer keeps what a resumed run must give back.
SETTINGS = {
    "kind": "global",
    "losses": ["mse", "vector_distance"],
    "epochs": 2,
    "batch_size": 4,
    "validation_share": 0.25,
    "metrics_pairs": 0,
    "filters": [2, 2],
    "dense_layers": [4],
    "schedule": "cosine",
    "ema": 0.5,
    "seed": 1,
    "workers": 0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=8, shape=(48, 64), random_state=0)
    return path


def run_processes(folder, backend, variables, *arguments):
    """Run the script once for each set of variables, all at once; return what each wrote."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "OMPI_", "KERAS_"))}
    clean |= {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Most of the time goes into compiling.
    clean |= {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    clean |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    logs = [folder / f"process_{number}.log" for number in range(len(variables))]
    processes = []
    try:
        for log, own in zip(logs, variables, strict=True):
            with log.open("w") as file:
                processes.append(subprocess.Popen(command, env={**clean, **own}, stdout=file, stderr=subprocess.STDOUT))
        codes = [process.wait(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    texts = [log.read_text() for log in logs]
    assert codes == [0] * len(variables), "\n".join(texts)[-6000:]
    return texts


def free_port(low=20000, high=60000):
    while True:
        port = random.randrange(low, high)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def keras_variables(number, address):
    return dict(zip(VARIABLES, (address, "2", str(number)), strict=True))


def assert_same_run(one, two):
    tables = [folder.read_history() for folder in (one, two)]
    one_table, two_table = (pd.DataFrame(rows).drop(columns=["seconds", "waiting_share"]) for rows in tables)
    pd.testing.assert_frame_equal(one_table, two_table, rtol=1e-4)
    for name in ("best_model", "last_model"):
        pairs = zip(*(load_model(getattr(folder, name)).get_weights() for folder in (one, two)), strict=True)
        assert max(np.abs(a - b).max() for a, b in pairs) < 1e-4


def test_two_devices_of_one_machine_train_and_resume_as_one(data, tmp_path):
    (log,) = run_processes(tmp_path, "tensorflow", [{}], "train", "mirrored", data, tmp_path, json.dumps(SETTINGS))
    assert "stopped" in log
    assert_same_run(RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two"))


def test_two_processes_train_and_resume_as_one_though_one_alone_is_interrupted(data, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    settings = json.dumps({**SETTINGS, "clip_norm": 1.0})
    variables = [keras_variables(number, address) for number in range(2)]
    logs = run_processes(tmp_path, "jax", variables, "train", "data-parallel", data, tmp_path, settings)
    assert all("stopped" in log for log in logs)
    assert_same_run(RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two"))


def test_processes_that_srun_starts_find_each_other_and_what_differs(data, tmp_path):
    job = free_port(61440, 65536) - 61440  # JAX takes this for the port
    common = {"SLURM_JOB_ID": job, "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": 2, "SLURM_STEP_NUM_TASKS": 2}
    variables = [
        {name: str(value) for name, value in {**common, "SLURM_PROCID": i, "SLURM_LOCALID": i}.items()} for i in (0, 1)
    ]
    logs = run_processes(tmp_path, "jax", variables, "agree", data, tmp_path / "run")
    for number, log in enumerate(logs):
        assert f"process {number} of 2, 2 devices" in log
        assert "any True none False" in log
        assert log.count("must have the same settings, data and run. Received: process 1, which differs") == 1


def test_each_process_gets_its_share_of_every_batch(data):
    common = {"batch_size": 4, "shuffle": True, "random_state": 0, "indexes": range(6)}
    whole = SupervisedGenerator(data, **common)
    shares = [SupervisedGenerator(data, **common, shard=(number, 2), multiple_of=2) for number in range(2)]
    assert len(whole) == len(shares[0]) == 2
    for batch in range(2):
        images, fields = zip(*(share[batch][1] for share in shares), strict=True)
        assert len(images[0]) == len(images[1])
        joined = np.stack(fields, axis=1).reshape(whole[batch][1][1].shape)
        np.testing.assert_array_equal(joined, whole[batch][1][1])


def test_a_last_batch_that_devices_cannot_share_is_cut_and_later_epochs_leave_out_other_samples(data):
    generator = SupervisedGenerator(
        data, batch_size=4, shuffle=True, random_state=0, indexes=range(7), shard=(0, 2), multiple_of=2
    )
    assert [len(generator[batch][0]) for batch in range(len(generator))] == [2, 1]
    left_out = set()
    for generator.epoch in range(20):
        left_out |= set(generator.order()[6:].tolist())
    assert len(left_out) > 3


def test_fewer_samples_than_devices_are_refused(data):
    with pytest.raises(ValueError, match=r"at least one sample each for every device, 4\. Received: 3"):
        SupervisedGenerator(data, batch_size=4, indexes=range(3), multiple_of=4)


def test_a_process_that_does_not_lead_works_in_a_copy_of_the_run_that_vanishes(tmp_path):
    shared = RunFolder(tmp_path)
    shared.last_model.write_text("the model")
    with Devices(2, 0, 2).own_folder(shared) as leading, Devices(2, 1, 2).own_folder(shared) as other:
        assert leading is shared
        assert other.last_model.read_text() == "the model"
        other.last_model.write_text("another")
    assert not other.path.exists()
    assert shared.last_model.read_text() == "the model"


@pytest.fixture
def config(data, tmp_path, monkeypatch):
    """A function that makes settings, with no trace of a cluster in the environment."""
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", *VARIABLES):
        monkeypatch.delenv(name, raising=False)

    def make(**settings):
        return TrainingConfig(kind="global", data=data, out=tmp_path / "run", **settings)

    return make


@pytest.mark.parametrize(("strategy", "needed"), [("mirrored", "tensorflow"), ("data-parallel", "jax")])
def test_a_strategy_of_another_backend_is_refused_before_anything_is_written(config, monkeypatch, strategy, needed):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=rf"needs the backend {needed}\. Received: torch\. Set KERAS_BACKEND={needed}"):
        fit(config(strategy=strategy))
    assert not config().out.exists()


def test_one_device_is_refused(config):
    strategy = {"tensorflow": "mirrored", "jax": "data-parallel"}[keras.backend.backend()]
    with pytest.raises(ValueError, match=r"needs at least two devices\. Received: one"):
        open_devices(config(strategy=strategy))


def test_a_batch_that_devices_cannot_share_is_refused_with_one_that_they_can(config, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(distribution, "_mirrored", lambda: Devices(3))
    with pytest.raises(ValueError, match=r"multiple of the number of devices, 3, .*Received: 8\. Give 9\."):
        open_devices(config(strategy="mirrored"))
    assert open_devices(config(strategy="mirrored", batch_size=9)).count == 3


def test_half_of_the_variables_is_refused(config, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv(VARIABLES[0], "localhost:1234")
    with pytest.raises(ValueError, match=f"need all of .*Received: {VARIABLES[0]} only"):
        open_devices(config(strategy="data-parallel"))


def test_processes_that_cannot_be_told_apart_are_refused_in_one_line(config, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")

    def find_none():
        raise ValueError("coordinator_address\nshould be defined.")

    monkeypatch.setattr(keras.distribution, "initialize", find_none)
    with pytest.raises(AtlalignError, match=r"Received: SLURM_STEP_NUM_TASKS=2 .*Start them by srun") as caught:
        open_devices(config(strategy="data-parallel"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("strategy", ["none", "mirrored"])
def test_several_workers_of_tensorflow_are_referred_to_jax(config, monkeypatch, strategy):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 0}}))
    with pytest.raises(ValueError, match=r"TF_CONFIG with 2 workers\. Set KERAS_BACKEND=jax .*data-parallel"):
        open_devices(config(strategy=strategy))


@pytest.mark.parametrize("variable", ["", "[]", "{", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": 3}'])
def test_a_variable_of_tensorflow_that_names_no_several_workers_is_no_matter(config, monkeypatch, variable):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setenv("TF_CONFIG", variable)
    assert open_devices(config()) == Devices()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "multi-worker"}, "strategy: .*set KERAS_BACKEND=jax and give data-parallel"),
        ({"strategy": "mirrored", "clip_norm": 1.0}, "clip_norm does not go with strategy mirrored"),
        ({"strategy": "mirrored", "precision": "mixed_float16"}, "mixed_float16 does not go with strategy mirrored"),
    ],
)
def test_settings_that_tensorflow_cannot_train_with_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        effective_config("global", {"data": "pairs.h5", "out": "run", **given})
