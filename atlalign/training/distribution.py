"""Several devices that train one network together: of one machine, or of several.

Each batch is cut into equal shares, one a device, and every step is the step that one device would take with the whole
batch. On JAX several processes take part, each with its own share of the data. They all do the same, so that they stay
in step, but only the first one writes into the run folder: the others keep one of their own, which vanishes.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlalign._parts import alone_in
from atlalign.errors import AtlalignError, one_line
from atlalign.run_folder import RunFolder
from atlalign.training.config import TrainingConfig

# What Keras reads: the address of the first process, how many there are, and which one this is.
VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)
# How many processes srun and mpirun have started; which ones, JAX reads from other variables of theirs.
_LAUNCHED = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Devices:
    """The devices of a training, and this process's place among those that drive them.

    Parameters
    ----------
    count : int
        Number of devices, those of all processes.
    process : int
        Number of this process.
    processes : int
        How many there are.
    scope : callable
        Makes the context in which the network is built, loaded and trained.

    Examples
    --------
    >>> Devices().leads, Devices().any_process(False)
    (True, False)
    """

    count: int = 1
    process: int = 0
    processes: int = 1
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def leads(self) -> bool:
        """Whether this process writes the run folder."""
        return self.process == 0

    def any_process(self, flag: bool) -> bool:
        """Return whether any process says so; all must ask."""
        return bool(self._gather(np.array(flag)).any())

    def require_same(self, what: Any) -> None:
        """Raise an AtlalignError, on all processes, unless all of them have the same of something; all must ask.

        Parameters
        ----------
        what : object
            Anything that JSON can hold.
        """
        digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).digest()
        digests = self._gather(np.frombuffer(digest, dtype=np.uint8))
        differing = np.flatnonzero((digests != digests[0]).any(axis=1))
        if differing.size:
            raise AtlalignError(
                "Processes that train together must have the same settings, data and run. Received: "
                f"process {differing[0]}, which differs from process 0. Give all of them the same command."
            )

    @contextmanager
    def own_folder(self, folder: RunFolder) -> Iterator[RunFolder]:
        """Yield the run folder, kept for this training; to a process that does not lead, a copy that vanishes again."""
        if self.leads:
            with alone_in(folder.path):
                yield folder
            return
        with tempfile.TemporaryDirectory(prefix="atlalign-") as temporary:
            copy = RunFolder(temporary)
            for name in ("config", "provenance", "history", "last_model"):
                source = getattr(folder, name)
                if source.exists():
                    shutil.copy(source, getattr(copy, name))
            yield copy

    def _gather(self, values: np.ndarray) -> np.ndarray:
        """Return the values of all processes, one after the other along a new first axis."""
        if self.processes == 1:
            return values[None]
        from jax.experimental.multihost_utils import process_allgather

        try:
            return np.asarray(process_allgather(values))
        except (ValueError, RuntimeError) as error:  # what JAX raises depends on what carries the messages
            raise AtlalignError(
                "Processes that train together must all go on. Received: no answer from one "
                f"({one_line(error)[:200]}). See what it said, then start all of them again with --resume."
            ) from error


def open_devices(config: TrainingConfig) -> Devices:
    """Find the devices that a strategy asks for, and connect to the other processes.

    Parameters
    ----------
    config : TrainingConfig
        Names the strategy.

    Returns
    -------
    Devices
        One device without a strategy.

    Raises
    ------
    ValueError
        If the backend does not know the strategy, there is one device only, or they cannot share a batch evenly.
    AtlalignError
        If the processes cannot connect.

    Examples
    --------
    >>> open_devices(TrainingConfig(kind="global", data="pairs.h5", out="run")).count
    1
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        _refuse_several_workers()
    if config.strategy == "none":
        return Devices()
    needed = {"mirrored": "tensorflow", "data-parallel": "jax"}[config.strategy]
    if backend != needed:
        raise ValueError(
            f"strategy {config.strategy} needs the backend {needed}. Received: {backend}. "
            f"Set KERAS_BACKEND={needed} in the environment."
        )
    devices = _mirrored() if config.strategy == "mirrored" else _data_parallel()
    if devices.count < 2:
        raise ValueError(
            f"strategy {config.strategy} needs at least two devices. Received: one. Leave the strategy out"
            + (f", or start several processes: by srun, or with {', '.join(VARIABLES)}." if backend == "jax" else ".")
        )
    if config.batch_size % devices.count:
        raise ValueError(
            f"batch_size must be a multiple of the number of devices, {devices.count}, which share each batch. "
            f"Received: {config.batch_size}. Give {-(-config.batch_size // devices.count) * devices.count}."
        )
    return devices


def _refuse_several_workers() -> None:
    """Refuse what TensorFlow calls multi-worker, which launchers ask for by a variable."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"]
        workers = sum(len(cluster.get(role, ())) for role in ("chief", "master", "worker"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if workers > 1:
        raise ValueError(
            "Several machines train together on JAX only: Keras's fit fails under TensorFlow's multi-worker strategy. "
            f"Received: TF_CONFIG with {workers} workers. Set KERAS_BACKEND=jax and give --strategy data-parallel, or "
            "unset TF_CONFIG."
        )


def _mirrored() -> Devices:
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < 2:
        return Devices()
    strategy = tf.distribute.MirroredStrategy([device.name for device in found])
    return Devices(len(found), scope=strategy.scope)


def _data_parallel() -> Devices:
    import jax
    import keras

    _connect()
    if jax.local_device_count() * jax.process_count() != jax.device_count():
        raise ValueError(
            "Processes that train together must have equally many devices. Received: "
            f"{jax.local_device_count()} of {jax.device_count()} here, with {jax.process_count()} processes. "
            "Set CUDA_VISIBLE_DEVICES so that they do."
        )
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    return Devices(jax.device_count(), jax.process_index(), jax.process_count(), parallel.scope)


def _connect() -> None:
    """Connect to the other processes: those that Keras's variables name, else those of SLURM or Open MPI, if any."""
    given = [name for name in VARIABLES if name in os.environ]
    if not given and all(os.environ.get(name, "1") == "1" for name in _LAUNCHED):
        return
    import jax
    import keras

    if jax.distributed.is_initialized():
        return
    if given and len(given) < len(VARIABLES):
        raise ValueError(f"Several processes need all of {', '.join(VARIABLES)}. Received: {', '.join(given)} only.")
    # Otherwise JAX takes SIGTERM for itself, and a process can no longer be ended by it.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        names = [name for name in (*VARIABLES, *_LAUNCHED) if name in os.environ]
        raise AtlalignError(
            "Processes that train together must be told apart by their variables, and connect before they compute. "
            f"Received: {', '.join(f'{name}={os.environ[name]}' for name in names)} ({one_line(error)[:300]}). "
            f"Start them by srun, or with {', '.join(VARIABLES)}."
        ) from error
