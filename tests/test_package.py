"""The public names load lazily."""

import subprocess
import sys

import pytest

import atlalign


@pytest.mark.parametrize("name", [name for name in atlalign.__all__ if name != "__version__"])
def test_every_public_name_is_there(name):
    assert getattr(atlalign, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'registre'"):
        atlalign.registre  # noqa: B018


def test_registering_with_plain_functions_needs_no_keras():
    code = (
        "import sys, numpy as np, atlalign; "
        "atlalign.register_images(np.zeros((8, 8)), np.zeros((8, 8)), local_model=lambda r, m: np.zeros((8, 8, 2))); "
        "print('keras' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"
