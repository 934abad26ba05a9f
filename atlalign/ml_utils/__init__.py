"""What Keras sees: data, layers, losses and models. Written in `keras.ops`, for every Keras backend.

The names that most scripts need are reached from here, as in atlalign 0.6.2, and load on first use.
"""

from importlib import import_module

_HOMES = {
    "augmentation": ("augmenter_1",),
    "callbacks.mlflow": ("MLFlowCallback",),
    "io": ("SupervisedGenerator",),
    "layers": ("Affine2DVF", "BilinearInterpolation", "DVFComposition", "ExtractMoving", "NoOp", "block_stn"),
    "losses": (
        *("ALL_DVF_LOSSES", "ALL_IMAGE_LOSSES", "DVF2IMG", "NCC", "Grad", "Mixer", "PerceptualLoss", "VDClipper"),
        *("cross_correlation", "jacobian", "jacobian_distance", "mse_po", "psnr", "ssim", "vector_distance"),
    ),
    "models": ("load_model", "merge_global_local", "replace_lambda_in_config", "save_model"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
