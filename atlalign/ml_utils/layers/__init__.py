"""Keras layers for affine maps, displacement fields and warping.

Fields are pull-back: the output's pixel p takes its value from p + delta(p) of the input; see the conventions page. All
layers compute in float32 whatever the global policy, since 16-bit coordinates are off by a quarter of a pixel on a
456-pixel axis: inputs of other precision are cast. Pass ``dtype`` to choose otherwise.
"""

from atlalign.ml_utils.layers.affine import Affine2DVF, CentredAffine, get_initial_weights
from atlalign.ml_utils.layers.fields import BilinearInterpolation, DVFComposition, DVFIntegration, InverseConsistency
from atlalign.ml_utils.layers.pairs import ExtractMoving, NoOp
from atlalign.ml_utils.layers.refining import RefineDVF
from atlalign.ml_utils.layers.stn import InvertAffine, block_stn
from atlalign.ml_utils.layers.votes import AffineProduct, FitAffine

__all__ = [
    "Affine2DVF",
    "AffineProduct",
    "BilinearInterpolation",
    "CentredAffine",
    "DVFComposition",
    "DVFIntegration",
    "ExtractMoving",
    "FitAffine",
    "InverseConsistency",
    "InvertAffine",
    "NoOp",
    "RefineDVF",
    "block_stn",
    "get_initial_weights",
]
