"""Where a section of unknown position lies, as a network proposes."""

import keras
import numpy as np
import pytest

from atlalign.atlas import Atlas
from atlalign.errors import ModelError
from atlalign.ml_utils.models import save_model
from atlalign.nn import position_model_factory, supervised_global_model_factory
from atlalign.plane_slopes import sloping_plane
from atlalign.registration import position
from atlalign.registration.position import propose_position
from atlalign.section import Section
from atlalign.weights import MissingWeightsError

SHAPE = (40, 57)


@pytest.fixture(scope="module")
def atlas():
    return Atlas.load("phantom:100")


@pytest.fixture(scope="module")
def model():
    """A network of random weights, which says something else of every view."""
    network = position_model_factory((4, 4), (8,), SHAPE, random_state=0)
    rng = np.random.default_rng(0)
    network.layers[-1].set_weights([rng.normal(0, 0.03, (8, 3)), np.array([0.4, 0.0, 0.0])])
    return network


@pytest.fixture(scope="module")
def image(atlas):
    """A section that is not the same on both sides."""
    image = atlas.reference_plane(5400)
    return image * np.linspace(0.3, 1, image.shape[1], dtype=np.float32)


def test_the_plane_is_the_one_of_position_and_slopes(atlas, model, image):
    proposed = propose_position(image, atlas, model)
    assert proposed.plane == sloping_plane(proposed.position_um, proposed.slopes, atlas.shape_um)
    assert 0 < proposed.tilt_degrees < 45
    assert proposed.plane.position_um == pytest.approx(proposed.position_um)


def test_of_the_mirrored_section_the_plane_is_the_mirrored_one(atlas, model, image):
    one = propose_position(image, atlas, model)
    other = propose_position(Section(np.ascontiguousarray(image[:, ::-1])), atlas, model)
    assert other.position_um == pytest.approx(one.position_um, abs=1)
    assert other.slopes == pytest.approx((-one.slopes[0], one.slopes[1]), abs=1e-4)
    assert one.disagreement_um == pytest.approx(other.disagreement_um, abs=1)
    assert one.disagreement_um > 1
    assert abs(one.slopes[0]) > 1e-3


def test_an_orientation_brings_the_section_upright(atlas, model, image):
    one = propose_position(image, atlas, model)
    turned = propose_position(Section(np.ascontiguousarray(image[::-1, ::-1]), rotate=180), atlas, model)
    assert turned.position_um == pytest.approx(one.position_um, abs=5)


@pytest.mark.parametrize("share", [-0.3, 1.4])
def test_a_position_beyond_the_atlas_is_brought_to_its_end(atlas, image, share):
    network = position_model_factory((2,), None, SHAPE)
    *_, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([network.layers[-1].get_weights()[0], bias * 0 + [share, 0, 0]])
    atlas.plane(propose_position(image, atlas, network).position_um)


def test_a_file_and_the_name_of_an_atlas_do_as_well(tmp_path, atlas, model, image):
    save_model(model, tmp_path / "position.keras", separate=False)
    proposed = propose_position(image, "phantom:100", tmp_path / "position.keras")
    assert proposed.position_um == pytest.approx(propose_position(image, atlas, model).position_um, abs=1)


def test_without_the_default_network_the_error_names_the_file(atlas, image, monkeypatch, tmp_path):
    monkeypatch.setattr(position, "default_models", lambda: {"position": tmp_path / "position.keras"})
    with pytest.raises(MissingWeightsError, match=r"position\.keras") as caught:
        propose_position(image, atlas)
    assert "\n" not in str(caught.value)


def test_a_registration_network_is_refused(atlas, image):
    with pytest.raises(ModelError, match="must take views"):
        propose_position(image, atlas, supervised_global_model_factory((2,), None, shape=SHAPE))


def test_an_answer_that_is_not_finite_is_refused(atlas, image):
    view = keras.Input((*SHAPE, 1))
    plane = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(np.inf))(keras.layers.Flatten()(view))
    with pytest.raises(ModelError, match="finite"):
        propose_position(image, atlas, keras.Model(view, plane))
