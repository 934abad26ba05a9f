"""Compile a network with losses by name."""

from atlalign.ml_utils.losses import endpoint_error, get_losses


def compile_model(model, losses, losses_weights, optimizer, *, jit_compile="auto"):
    """Compile a model of this package with losses by name, and return it.

    The fields' endpoint error, in px, is reported beside the losses.

    Parameters
    ----------
    model : keras.Model
        Outputs a registered image and one or two fields.
    losses, losses_weights, optimizer
        As for the factories.
    jit_compile : bool or "auto"
        Whether to compile the step with XLA; what Keras chooses by default.

    Returns
    -------
    keras.Model
        `model`.

    Raises
    ------
    ValueError
        If a loss is unknown, or the numbers of losses or weights do not fit the outputs.

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), shape=(16, 32))
    >>> [loss.name for loss in compile_model(model, ("ncc_5", "vdclip2"), (1, 10), "adam").loss]
    ['ncc_5', 'vdclip2']
    """
    n_fields = len(model.outputs) - 1
    losses_weights = [float(weight) for weight in losses_weights]
    if not 2 <= len(losses_weights) <= 1 + n_fields:
        raise ValueError(
            f"losses_weights must be one number an output ({1 + n_fields}), at least two. Received: {losses_weights}"
        )
    losses_weights += losses_weights[-1:] * (1 + n_fields - len(losses_weights))
    model.compile(
        optimizer=optimizer,
        loss=get_losses(losses, 1 + n_fields),
        loss_weights=losses_weights,
        metrics=[None] + [endpoint_error] * n_fields,
        jit_compile=jit_compile,
    )
    return model
