"""Training losses on images and on displacement fields.

Each returns one value a batch. `ALL_IMAGE_LOSSES` and `ALL_DVF_LOSSES` map the names that the factories and
the command line take to losses; ``"first&second"`` is the mean of two, in either order. The page on losses says
which is for what, with formulas and figures.

Every image loss also stands among the field losses, as `DVF2IMG`: on each component of the field divided by 10.
`mae` and `mse` act on fields in whole pixels. Whatever the model's precision, they compute in float32 (in float64 for
float64).
"""

from atlalign.ml_utils.losses.determinants import jacobian, jacobian_distance
from atlalign.ml_utils.losses.distances import VDClipper, endpoint_error, mse_po, vector_distance
from atlalign.ml_utils.losses.global_correlation import cross_correlation
from atlalign.ml_utils.losses.inverse import inverse_consistency
from atlalign.ml_utils.losses.local_correlation import NCC
from atlalign.ml_utils.losses.mixing import DVF2IMG, Mixer
from atlalign.ml_utils.losses.overlap import dice
from atlalign.ml_utils.losses.perceptual import PerceptualLoss
from atlalign.ml_utils.losses.pixelwise import mae, mse, psnr
from atlalign.ml_utils.losses.planes import PlaneDistance
from atlalign.ml_utils.losses.registry import ALL_DVF_LOSSES, ALL_IMAGE_LOSSES, LossTable, get_losses
from atlalign.ml_utils.losses.roughness import Grad, bending_energy
from atlalign.ml_utils.losses.self_similarity import MIND
from atlalign.ml_utils.losses.structural_similarity import ssim

__all__ = [
    "ALL_DVF_LOSSES",
    "ALL_IMAGE_LOSSES",
    "DVF2IMG",
    "MIND",
    "NCC",
    "Grad",
    "LossTable",
    "Mixer",
    "PerceptualLoss",
    "PlaneDistance",
    "VDClipper",
    "bending_energy",
    "cross_correlation",
    "dice",
    "endpoint_error",
    "get_losses",
    "inverse_consistency",
    "jacobian",
    "jacobian_distance",
    "mae",
    "mse",
    "mse_po",
    "psnr",
    "ssim",
    "vector_distance",
]
