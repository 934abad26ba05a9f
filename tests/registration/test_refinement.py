"""Refinement: what it gains, what it leaves alone, and that it can be repeated."""

import subprocess
import sys

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField, Registrar, Section, register_images
from atlalign.ml_utils.instance import InPlaces, PairRefiner, SmoothVelocity, pair_refiner
from atlalign.registration.refinement import refine_field

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)
STEPS = 25
IDENTITY = DisplacementField.generate(SHAPE)
REFERENCE = ATLAS.reference_plane(6000)


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _bent(size=3.0):
    """Return a field without folds, and the image that it makes the reference of."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    field = DisplacementField(size * np.sin(y / 14), size * np.cos(x / 18))
    return field, field.pseudo_inverse().warp(REFERENCE)


FIELD, MOVING = _bent()
TISSUE = ATLAS.annotation_plane(6000) > 0


def _error(field, truth=FIELD, where=TISSUE):
    return np.hypot(*(field.deltas_xy - truth.deltas_xy)[where].T).mean()


@pytest.fixture(scope="module", params=["ncc_9", "mind"])
def refined(request):
    return refine_field(MOVING, REFERENCE, IDENTITY, STEPS, loss=request.param)


def test_the_field_comes_nearer_to_the_truth(refined):
    residual, _ = refined
    assert _error(residual) < 0.7 * _error(IDENTITY)


def test_the_images_become_more_alike(refined):
    residual, quality = refined
    before, after = (np.corrcoef(image[TISSUE], REFERENCE[TISSUE])[0, 1] for image in (MOVING, residual.warp(MOVING)))
    assert after > before
    assert quality["refinement_loss_after"]["value"] < quality["refinement_loss_before"]["value"]


def test_nothing_folds(refined):
    assert (refined[0].jacobian > 0).all()


def test_many_strong_steps_do_not_fold_either():
    noise = np.random.default_rng(0).random((2, 40, 56)).astype(np.float32)
    residual, _ = refine_field(*noise, DisplacementField.generate((40, 56)), 60)
    assert (residual.jacobian > 0).all()


def test_it_can_be_repeated_and_what_was_refined_before_does_not_matter():
    first, _ = refine_field(MOVING, REFERENCE, IDENTITY, STEPS)
    refine_field(REFERENCE, MOVING[::-1].copy(), IDENTITY, 5)
    again, _ = refine_field(MOVING, REFERENCE, IDENTITY, STEPS)
    assert np.abs(first.deltas_xy - again.deltas_xy).max() < 1e-3


def test_the_model_of_a_shape_is_made_once():
    assert pair_refiner(SHAPE, "ncc_9") is pair_refiner(SHAPE, "ncc_9")


def test_what_is_registered_already_stays():
    residual, _ = refine_field(REFERENCE, REFERENCE, IDENTITY, STEPS)
    assert np.hypot(*residual.deltas_xy[TISSUE].T).mean() < 0.3


def test_it_adds_to_the_field_that_is_there():
    half = FIELD * 0.5
    residual, _ = refine_field(MOVING, REFERENCE, half, STEPS)
    assert _error(half(residual)) < 0.7 * _error(half)


def test_missing_tissue_pulls_on_nothing():
    torn = MOVING.copy()
    torn[:, SHAPE[1] // 2 :] = 0
    left = TISSUE.copy()
    left[:, SHAPE[1] // 2 - 8 :] = False
    residual, _ = refine_field(torn, REFERENCE, IDENTITY, STEPS)
    assert _error(residual, where=left) < 0.7 * _error(IDENTITY, where=left)
    # Tissue that is pulled over the tear would show there.
    assert np.abs(residual.delta_x[:, SHAPE[1] // 2 - 4 : SHAPE[1] // 2 + 4]).mean() < 4
    assert residual.warp(torn)[:, SHAPE[1] // 2 + 6 :].max() < 0.05


def test_tissue_that_is_not_to_count_does_not():
    dirty = MOVING.copy()
    dirty[30:50, 60:90] = np.random.default_rng(0).random((20, 30))
    tissue = MOVING > 0.03
    tissue[24:56, 54:96] = False
    masked, _ = refine_field(dirty, REFERENCE, IDENTITY, STEPS, tissue=tissue)
    far = TISSUE & (np.arange(SHAPE[1]) < 50)
    assert _error(masked, where=far) < 0.7 * _error(IDENTITY, where=far)


def test_a_fine_image_is_refined_on_a_coarser_grid(monkeypatch):
    monkeypatch.setattr("atlalign.registration.refinement._LONGEST_SIDE", 57)
    residual, _ = refine_field(MOVING, REFERENCE, IDENTITY, STEPS)
    assert residual.shape == SHAPE
    assert _error(residual) < 0.8 * _error(IDENTITY)


class TestRegistrar:
    section = Section(MOVING, pixel_size_um=100)

    def _register(self, **how):
        return Registrar(ATLAS, local_model=_nothing_to_do, **how).register(self.section, position_um=6000)

    def test_it_is_a_step_of_its_own(self):
        registration = self._register(refine=10)
        assert [step.name for step in registration.steps] == ["canvas", "local", "refinement"]
        assert set(registration.step("refinement").quality) == {"refinement_loss_before", "refinement_loss_after"}

    def test_quality_rises(self):
        quality = self._register(refine=STEPS).quality()
        assert quality["correlation_after"]["value"] > quality["correlation_before"]["value"]
        assert quality["folded"]["value"] == 0

    def test_no_steps_change_nothing(self):
        registration = self._register(refine=0)
        assert [step.name for step in registration.steps] == ["canvas", "local"]
        assert registration.field == self._register().field

    def test_images_are_refined_alike(self):
        field = register_images(MOVING, REFERENCE, local_model=_nothing_to_do, refine=STEPS)
        assert _error(field) < 0.7 * _error(IDENTITY)

    @pytest.mark.parametrize("refine", [-1, 2.5, True, "many"])
    def test_numbers_of_steps_are_checked(self, refine):
        with pytest.raises(ValueError, match="whole number of steps"):
            Registrar(ATLAS, local_model="nowhere.keras", refine=refine)

    @pytest.mark.parametrize("loss", ["mse", "nothing", None])
    def test_losses_that_are_not_local_are_refused_before_models_load(self, loss):
        with pytest.raises(ValueError, match="one of ncc_5, ncc_9, ncc_12, ncc_20, mind"):
            Registrar(ATLAS, local_model="nowhere.keras", refine=5, refine_loss=loss)


def test_without_steps_keras_is_not_loaded():
    code = (
        "import sys, numpy as np; from atlalign import register_images; "
        "register_images(np.eye(32), np.eye(32), local_model=lambda r, m: np.zeros((32, 32, 2))); "
        "assert 'keras' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestParts:
    def test_the_velocity_is_smooth(self):
        layer = SmoothVelocity((9, 9), 1.5)
        layer.build(None)
        spike = np.zeros((1, 9, 9, 2), np.float32)
        spike[0, 4, 4, 0] = 1
        layer.velocity.assign(spike)
        velocity = np.asarray(layer(np.zeros((1, 1))))[0]
        assert velocity[4, 4, 0] == velocity.max() < 0.2
        assert velocity[4, 5, 0] > 0.7 * velocity[4, 4, 0]
        assert (velocity[..., 1] == 0).all()

    @pytest.mark.parametrize("name", ["ncc_9", "mind"])
    def test_pixels_without_weight_do_not_count(self, name):
        rng = np.random.default_rng(0)
        image, other = rng.random((2, 1, 40, 40, 1)).astype(np.float32)
        other[:, :20] = image[:, :20]
        loss = InPlaces(name)
        weight = np.zeros_like(image)
        weight[:, loss.reach : 20 - loss.reach] = 1
        same, mixed = (float(loss(np.concatenate([image, w], axis=-1), other)) for w in (weight, np.ones_like(image)))
        assert same == pytest.approx(-1 if name == "ncc_9" else 0, abs=0.01)
        assert mixed > same + 0.05

    def test_they_can_be_saved(self):
        assert SmoothVelocity.from_config(SmoothVelocity((2, 3), 1.5).get_config()).smoothness == 1.5
        assert InPlaces.from_config(InPlaces("mind").get_config()).loss == "mind"

    def test_steps_without_anything_to_compare_do_nothing(self):
        refiner = PairRefiner((32, 32), "ncc_9")
        image, other = np.random.default_rng(0).random((2, 32, 32))
        found = refiner(image, other, 3, np.zeros((32, 32), bool))
        assert not found.velocity.any()
