"""Which models are taken for which step."""

import pytest

from atlalign.errors import ModelError
from atlalign.registration.predicting import predictors


class Network:
    """What is known of a network that was loaded."""

    def __init__(self, kind):
        self.kind = kind

    def __call__(self, reference, moving):
        raise NotImplementedError


@pytest.mark.parametrize(("name", "other"), [("global", "local"), ("local", "global")])
def test_a_network_of_the_other_kind_is_refused(name, other, monkeypatch):
    monkeypatch.setattr("atlalign.registration.predicting._predictor", lambda model, what: Network(other))
    given = {"global_model": None, "local_model": None, f"{name}_model": "runs/best.keras"}
    expected = (
        f"{name}_model, or --{name}-model, must be a {name} network. Received: runs/best.keras, a {other} one. "
        f"Give it as {other}_model, or --{other}-model."
    )
    with pytest.raises(ModelError) as error:
        predictors(**given)
    assert str(error.value) == expected


@pytest.mark.parametrize("kind", ["local", "merged"])
def test_local_and_merged_networks_and_functions_are_taken_as_local(kind):
    models = predictors(lambda reference, moving: None, Network(kind))
    assert [name for name, _ in models] == ["global", "local"]


def test_a_merged_network_is_taken_as_global():
    assert [name for name, _ in predictors(Network("merged"), None)] == ["global"]
