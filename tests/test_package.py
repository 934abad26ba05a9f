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


def test_ml_utils_gives_the_names_of_old_scripts_and_loads_keras_only_for_them():
    script = (
        "import sys, atlalign.ml_utils as m; assert 'keras' not in sys.modules; "
        "m.augmenter_1; assert 'keras' not in sys.modules; assert all(getattr(m, name) for name in m.__all__)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "atlalign", "--version"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout == f"atlalign {atlalign.__version__}\n"
