"""The perceptual loss, and that nothing else starts Keras."""

import subprocess
import sys
import types

import numpy as np
import pytest

from atlalign.metrics import perceptual_loss_img


@pytest.fixture
def calls(monkeypatch):
    """Put a loss that needs no weights in the place of the real one, and note what it is given."""
    received = []

    class PerceptualLoss:
        def __init__(self, model, net):
            self.names = model, net

        def loss(self, y_true, y_pred):
            received.append((*self.names, y_true.shape, y_true.dtype.name, y_pred.shape))
            return np.mean(np.abs(y_true - y_pred))

    module = types.ModuleType("atlalign.ml_utils.losses")
    module.PerceptualLoss = PerceptualLoss
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return received


def test_one_image_is_a_float_from_the_named_network(calls):
    value = perceptual_loss_img(np.zeros((8, 9)), np.full((8, 9), 0.5), model="net", net="alex")
    assert isinstance(value, float)
    assert value == 0.5
    assert calls == [("net", "alex", (1, 8, 9, 1), "float32", (1, 8, 9, 1))]


def test_a_stack_is_one_value_an_image_and_one_image_at_a_time(calls):
    true, pred = np.zeros((3, 8, 9), "float32"), np.zeros((3, 8, 9), "float32")
    pred[1] = 1
    np.testing.assert_array_equal(perceptual_loss_img(true, pred), [0, 1, 0])
    assert [call[:3] for call in calls] == [("net-lin", "vgg", (1, 8, 9, 1))] * 3


def test_images_are_checked_before_the_network_is_built(calls):
    with pytest.raises(ValueError, match="the same shape"):
        perceptual_loss_img(np.zeros((8, 9)), np.zeros((9, 8)))
    assert calls == []


def test_importing_the_metrics_does_not_start_keras():
    code = "import sys, atlalign.metrics; sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'jax')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
