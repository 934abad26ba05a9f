"""Factories of the networks: global (affine), local (dense displacement field), and position (which slice it is)."""

from atlalign.nn.annotation import add_annotation_output
from atlalign.nn.compiling import compile_model
from atlalign.nn.global_net import supervised_global_model_factory
from atlalign.nn.local_net import supervised_model_factory
from atlalign.nn.position_net import position_model_factory

__all__ = [
    "add_annotation_output",
    "compile_model",
    "position_model_factory",
    "supervised_global_model_factory",
    "supervised_model_factory",
]
