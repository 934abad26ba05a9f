"""The network of a run: made or loaded, its optimizer, what of it is frozen."""

from pathlib import Path

from atlalign.errors import ModelError
from atlalign.training.config import TrainingConfig

# Layers of the way down, by their names in atlalign.nn.
_ENCODERS = {
    "global": ("conv_", "pool_"),
    "local": ("start_", "pool_", "down_", "middle_"),
    "position": ("conv_", "pool_"),
}


def build_model(config: TrainingConfig, shape: tuple[int, int], steps_an_epoch: int, atlas):
    """Make, or load and compile anew, the network of a run.

    Parameters
    ----------
    config : TrainingConfig
        Says which.
    shape : tuple (h, w)
        Size of the images.
    steps_an_epoch : int
        For the schedule of the learning rate.
    atlas : Atlas
        What a position network's loss is measured in.

    Returns
    -------
    keras.Model
        Compiled.

    Raises
    ------
    ValueError
        If losses or layers do not fit.
    FileNotFoundError, ModelError
        If the model to start from is missing or another.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        optimizer = _build_optimizer(config, steps_an_epoch)
        if config.init_from is None:
            return _make(config, shape, optimizer, atlas)
        return _load(config, shape, optimizer, atlas)
    finally:
        keras.config.set_dtype_policy(before)


def _build_optimizer(config: TrainingConfig, steps_an_epoch: int):
    import keras

    rate: object = config.learning_rate
    warmup = round(config.warmup_epochs * steps_an_epoch)
    if config.schedule == "cosine" or warmup:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else config.learning_rate,
            max(1, config.epochs * steps_an_epoch - warmup),
            alpha=0.0 if config.schedule == "cosine" else 1.0,
            warmup_target=config.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    settings = {
        "learning_rate": rate,
        "global_clipnorm": config.clip_norm,
        "use_ema": config.ema is not None,
        "ema_momentum": config.ema or 0.99,
    }
    return type(keras.optimizers.get(config.optimizer))(**settings)


def _make(config: TrainingConfig, shape, optimizer, atlas):
    from atlalign.nn import position_model_factory, supervised_global_model_factory, supervised_model_factory

    if config.kind == "position":
        return position_model_factory(
            **_given(config, "filters", "dense_layers"),
            shape=shape,
            optimizer=optimizer,
            shape_um=atlas.shape_um,
            random_state=config.seed,
        )
    common = {
        "losses": config.losses,
        "losses_weights": config.losses_weights,
        "optimizer": optimizer,
        "shape": shape,
        "random_state": config.seed,
        "normalization": None if config.normalization == "none" else config.normalization,
    }
    if config.kind == "global":
        return supervised_global_model_factory(
            **_given(config, "filters", "dense_layers"),
            centred=config.centred,
            head=config.head,
            passes=config.passes,
            **common,
        )
    names = ("start_filters", "downsample_filters", "middle_filters", "upsample_filters", "end_filters")
    return supervised_model_factory(
        **_given(config, *names),
        compute_inv=config.compute_inv,
        diffeomorphic=config.diffeomorphic,
        inverse_consistency=config.inverse_consistency,
        **common,
    )


def _given(config: TrainingConfig, *names: str) -> dict:
    values = {name: getattr(config, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _load(config: TrainingConfig, shape, optimizer, atlas):
    from atlalign.ml_utils.models import load_model

    start = _load_position if config.kind == "position" else _load_registration
    model = start(load_model(config.init_from), config, shape)
    if config.freeze == "encoder":
        _freeze(model, _ENCODERS[config.kind], config.init_from)
    if config.kind == "position":
        from atlalign.ml_utils.losses import PlaneDistance

        model.compile(optimizer, PlaneDistance(atlas.shape_um))
        return model
    from atlalign.nn import compile_model

    return compile_model(model, config.losses, config.losses_weights, optimizer)


def _load_position(model, config: TrainingConfig, shape):
    """Return a model that takes what a position network will be given, else raise a ModelError."""
    from atlalign.ml_utils.models import check_is_position_model

    check_is_position_model(model, "model to start from")
    size = tuple(model.inputs[0].shape[1:3])
    if size != tuple(shape):
        raise ModelError(
            f"A model to start from must be of the dataset's image size, {tuple(shape)}. "
            f"Received: {config.init_from} of {size}. Choose another, or another dataset."
        )
    return model


def _load_registration(model, config: TrainingConfig, shape):
    """Return a model that takes and gives what the configured network will, else raise a ModelError."""
    from atlalign.ml_utils.models import check_is_registration_model

    check_is_registration_model(model, "model to start from")
    size, n_fields = tuple(model.inputs[0].shape[1:3]), len(model.outputs) - 1
    expected = 2 if config.kind == "local" and config.compute_inv else 1
    if size != tuple(shape) or n_fields != expected:
        fits = size == tuple(shape)
        remedy = "Give --no-inverse" if fits and n_fields < expected else "Choose another, or another dataset"
        raise ModelError(
            f"A model to start from must be of the dataset's image size, {tuple(shape)}, and predict {expected} "
            f"field(s). Received: {config.init_from} of {size} with {n_fields}. {remedy}."
        )
    return model


def _freeze(model, prefixes: tuple[str, ...], source: Path | None) -> None:
    layers = [layer for part in [model, *_submodels(model)] for layer in part.layers]
    frozen = [layer for layer in layers if layer.name.startswith(prefixes)]
    if not any(layer.weights for layer in frozen):
        raise ModelError(
            f"freeze=encoder needs layers named {', '.join(f'{prefix}*' for prefix in prefixes)}. Received: {source}, "
            "which has none. Start from a model of the same kind, or freeze none."
        )
    for layer in frozen:
        layer.trainable = False


def _submodels(model) -> list:
    return [layer for layer in model.layers if hasattr(layer, "layers")]
