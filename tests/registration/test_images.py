"""Two plain images in, a field out."""

import numpy as np
import pytest

from atlalign import Atlas, register_images

SHAPE = (80, 114)


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


class TestRegisterImages:
    reference = Atlas.load("phantom:100").reference_plane(6000)

    def test_the_field_has_the_images_shape_when_the_models_is_another(self):
        def predict(reference, moving):
            assert reference.shape == moving.shape == (40, 57)
            return np.broadcast_to(np.float32([3, -2]), (40, 57, 2))

        predict.shape = (40, 57)
        field = register_images(self.reference, self.reference, global_model=predict)
        assert field.shape == SHAPE
        assert np.allclose(field.deltas_xy, [6, -4], atol=1e-4)

    @pytest.mark.parametrize("invert", [False, True])
    def test_either_polarity_and_both_types_reach_the_model_on_a_dark_background(self, invert):
        seen = []

        def predict(reference, moving):
            seen.append(moving)
            return _nothing_to_do(reference, moving)

        image = np.rint(self.reference * 255).astype(np.uint8)
        register_images(255 - image if invert else image, self.reference, local_model=predict)
        assert seen[0].dtype == np.float32
        assert np.allclose(seen[0], self.reference, atol=0.01)

    @pytest.mark.parametrize(
        ("moving", "match"),
        [
            (np.zeros((80, 114, 3)), "grey image"),
            (np.full((80, 114), 2.0), r"\[0, 1\]"),
            (np.full((80, 114), np.nan), r"\[0, 1\]"),
            (np.zeros((80, 114), np.int64), r"\[0, 1\]"),
            (np.zeros((0, 114)), "grey image"),
            (np.zeros((80, 113)), "same shape"),
        ],
    )
    def test_other_images_are_refused(self, moving, match):
        with pytest.raises(ValueError, match=match):
            register_images(moving, self.reference, local_model=_nothing_to_do)
