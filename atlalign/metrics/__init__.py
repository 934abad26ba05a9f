"""Measures of how good a registration is: of images, displacement fields, annotations and landmarks.

Each takes the truth first and the prediction second, and checks both before it computes. `evaluate_single` and
`evaluate` compute what the publication of the method reports (Krepl et al. 2021, doi:10.3389/fninf.2021.691918).

Notes
-----
================================  ==============================================================================
of images                         `mse_img`, `mae_img`, `psnr_img`, `demons_img`, `cross_correlation_img`,
                                  `ssmi_img`, `mi_img`, `perceptual_loss_img`: a number an image
of displacement fields            `angular_error_of`, `correlation_combined`, `mae_combined`, `mse_combined`,
                                  `r2_combined`, `vector_distance_combined`: the average and its pixels;
                                  `endpoint_error_summary`
of one displacement field         `percent_nonpositive_jacobian`, `inverse_consistency`
of annotations                    `iou_score`, `dice_score`: the average and its samples; `dice_per_depth`,
                                  `overlap_per_depth`
of landmarks                      `tre_kp`, `rtre_kp`, `improvement_kp`
================================  ==============================================================================

Lower is better of errors, distances and the perceptual loss; higher of PSNR, correlations, SSIM, mutual information,
IoU and Dice.
"""

from atlalign.metrics.annotations import dice_score, iou_score
from atlalign.metrics.evaluation import evaluate, evaluate_single
from atlalign.metrics.fields import (
    angular_error_of,
    correlation_combined,
    mae_combined,
    mse_combined,
    r2_combined,
    vector_distance_combined,
)
from atlalign.metrics.images import cross_correlation_img, demons_img, mae_img, mse_img, psnr_img
from atlalign.metrics.keypoints import improvement_kp, rtre_kp, tre_kp
from atlalign.metrics.mutual_information import mi_img
from atlalign.metrics.overlap import dice_per_depth, overlap_per_depth
from atlalign.metrics.perceptual import perceptual_loss_img
from atlalign.metrics.plausibility import inverse_consistency, percent_nonpositive_jacobian
from atlalign.metrics.structural_similarity import ssmi_img
from atlalign.metrics.summaries import endpoint_error_summary

__all__ = [
    "angular_error_of",
    "correlation_combined",
    "cross_correlation_img",
    "demons_img",
    "dice_per_depth",
    "dice_score",
    "endpoint_error_summary",
    "evaluate",
    "evaluate_single",
    "improvement_kp",
    "inverse_consistency",
    "iou_score",
    "mae_combined",
    "mae_img",
    "mi_img",
    "mse_combined",
    "mse_img",
    "overlap_per_depth",
    "percent_nonpositive_jacobian",
    "perceptual_loss_img",
    "psnr_img",
    "r2_combined",
    "rtre_kp",
    "ssmi_img",
    "tre_kp",
    "vector_distance_combined",
]
