"""What the three functions share: lazy imports, what they accept, what they say when a library is missing."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from atlalign import non_ml
from atlalign.errors import MissingExtraError

NAMES = ["antspy_registration", "elastix_registration", "feature_based_registration"]
GOOD = np.tile(np.linspace(0, 1, 20), (18, 1))
BAD = {
    "colour": np.zeros((20, 20, 3)),
    "flat list": np.zeros(20),
    "too small": GOOD[:15],
    "16 bits": (GOOD * 1000).astype("uint16"),
    "above one": GOOD * 2,
    "negative": GOOD - 0.5,
    "not finite": np.where(GOOD > 0.5, np.nan, GOOD),
    "blank": np.full((20, 20), 0.5),
}


def test_the_package_imports_no_client_and_no_keras():
    script = (
        "import sys; import atlalign.non_ml as n; import atlalign.non_ml.intensity, atlalign.non_ml.elastix; "
        "n.feature_based_registration; assert not {'ants', 'itk', 'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_package_names_its_functions():
    assert set(NAMES) <= set(dir(non_ml))
    assert [getattr(non_ml, name).__name__ for name in NAMES] == NAMES
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        non_ml.bogus  # noqa: B018


def test_antspy_registration_takes_the_arguments_of_0_6_2_in_their_order():
    parameters = list(inspect.signature(non_ml.antspy_registration).parameters.values())
    known = [(p.name, p.default) for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [name for name, _ in known] == [
        "fixed_img", "moving_img", "registration_type", "reg_iterations", "aff_metric", "syn_metric", "verbose",
        "initial_transform", "path",
    ]  # fmt: skip
    assert [default for _, default in known[2:8]] == ["SyN", (40, 20, 0), "mattes", "mattes", False, None]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("place", ["fixed_img", "moving_img"])
def test_what_is_no_grey_image_is_refused_by_its_name_in_one_line(name, fault, place):
    images = {"fixed_img": GOOD, "moving_img": GOOD, place: BAD[fault]}
    with pytest.raises(ValueError, match=rf"^{place} must [^\n]*Received: [^\n]*$"):
        getattr(non_ml, name)(**images)


@pytest.mark.parametrize(
    ("name", "library", "extra"), [("antspy_registration", "ants", "ants"), ("elastix_registration", "itk", "elastix")]
)
def test_without_the_library_the_error_names_the_command_that_brings_it(name, library, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'atlalign\[{extra}\]'$"):
        getattr(non_ml, name)(GOOD, GOOD)


def test_an_itk_without_elastix_is_not_enough(monkeypatch):
    monkeypatch.setitem(sys.modules, "itk", object())
    with pytest.raises(MissingExtraError, match="elastix"):
        non_ml.elastix_registration(GOOD, GOOD)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("antspy_registration", {"registration_type": "Syn"}),
        ("antspy_registration", {"registration_type": "TV[9]"}),
        ("antspy_registration", {"aff_metric": "CC"}),
        ("antspy_registration", {"syn_metric": "GC"}),
        ("antspy_registration", {"reg_iterations": ()}),
        ("antspy_registration", {"reg_iterations": (4.5, 2)}),
        ("antspy_registration", {"reg_iterations": (-1,)}),
        ("antspy_registration", {"reg_iterations": 40}),
        ("antspy_registration", {"random_state": -1}),
        ("elastix_registration", {"transforms": ()}),
        ("elastix_registration", {"transforms": ["affin"]}),
        ("elastix_registration", {"metric": "ncc"}),
        ("elastix_registration", {"n_resolutions": 0}),
        ("elastix_registration", {"n_iterations": 2.5}),
        ("elastix_registration", {"grid_spacing": 0}),
        ("elastix_registration", {"random_state": -1}),
        ("feature_based_registration", {"method": "surf"}),
        ("feature_based_registration", {"model": "projective"}),
        ("feature_based_registration", {"residual_threshold": -1}),
        ("feature_based_registration", {"min_inliers": 3}),
        ("feature_based_registration", {"random_state": -1}),
    ],
)
def test_an_unknown_choice_is_refused_in_one_line(name, wrong):
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))} must [^\n]*Received: [^\n]*$"):
        getattr(non_ml, name)(GOOD, GOOD, **wrong)
