"""The networks, layers and losses on another Keras backend than the default."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("tests/ml_utils/test_layers.py", "tests/ml_utils/test_losses.py", "tests/test_nn.py")


@pytest.mark.parametrize("backend", ["jax"])
def test_layers_losses_and_networks_pass_on(backend):
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *PARTS],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:]
    assert "passed" in finished.stdout
