"""Saving, loading and merging models."""

from atlalign.ml_utils.legacy.lambdas import replace_lambda_in_config
from atlalign.ml_utils.models.checks import check_is_position_model, check_is_registration_model, forward_model
from atlalign.ml_utils.models.loading import load_model
from atlalign.ml_utils.models.merging import merge_global_local
from atlalign.ml_utils.models.saving import save_model

__all__ = [
    "check_is_position_model",
    "check_is_registration_model",
    "forward_model",
    "load_model",
    "merge_global_local",
    "replace_lambda_in_config",
    "save_model",
]
