"""Factories of the two networks: a global one (affine) and a local one (dense displacement field)."""

from atlalign.nn.annotation import add_annotation_output
from atlalign.nn.compiling import compile_model
from atlalign.nn.global_net import supervised_global_model_factory
from atlalign.nn.local_net import supervised_model_factory

__all__ = [
    "add_annotation_output",
    "compile_model",
    "supervised_global_model_factory",
    "supervised_model_factory",
]
