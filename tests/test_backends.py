"""The networks, layers and losses on other Keras backends than the default."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# In parts, so that they can run side by side.
ON_JAX = {
    "nn": ("tests/nn",),
    "losses": ("tests/ml_utils", "-k", "test_losses"),
    # VGG16 is the code of AlexNet with other numbers, and would take most of the time.
    "lpips": ("tests/ml_utils/test_lpips.py", "-k", "not vgg"),
    "rest": (
        "tests/ml_utils",
        "-k",
        "not test_losses and not test_lpips",
        # Keras's JAX trainer trains on the batches that workers prepared for building the model, one epoch earlier.
        "--deselect=tests/ml_utils/test_io.py::test_training_is_the_same_whatever_the_workers",
    ),
}


def run_tests(backend: str, *parts: str, **environment: str) -> None:
    """Run tests in a process of their own, on another backend."""
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *parts],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-1000:]
    assert "passed" in finished.stdout


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", ON_JAX)
def test_everything_passes_on_jax(part, pytestconfig):
    # Nearly all of the time goes to compiling what runs once: it is done hastily, and kept for the other parts.
    run_tests(
        "jax",
        *ON_JAX[part],
        JAX_ENABLE_X64="1",
        XLA_FLAGS="--xla_backend_optimization_level=0",
        JAX_COMPILATION_CACHE_DIR=str(pytestconfig.cache.mkdir("jax")),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
    )


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_each_network_and_layer_works_on_pytorch():
    run_tests("torch", "tests/backend_smoke.py")
