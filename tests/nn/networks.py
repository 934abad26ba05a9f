"""Small networks and data for them."""

import keras
import numpy as np

from atlalign.nn import supervised_global_model_factory, supervised_model_factory

SHAPE = (80, 114)
ODD = (35, 51)  # nothing divides them


@keras.saving.register_keras_serializable(package="atlalign_tests")
def softened(x):
    """An activation of someone else's own."""
    return keras.ops.tanh(x / 2)


TRUSTED = {"softened": softened}

# Every option that changes the graph, alone and together.
LOCAL_OPTIONS = {
    "published": {},
    "no inverse": {"compute_inv": False},
    "diffeomorphic": {"diffeomorphic": True},
    "diffeomorphic, no inverse": {"diffeomorphic": True, "compute_inv": False},
    "batch": {"normalization": "batch"},
    "group": {"normalization": "group"},
    "layer": {"normalization": "layer"},
    "activation": {"activation": softened},
    "inverse_consistency": {"inverse_consistency": 0.5},
    "coarse": {"upsample_filters": (4,)},
    "coarse, diffeomorphic": {"upsample_filters": (4,), "diffeomorphic": True},
    "all": {"diffeomorphic": True, "inverse_consistency": 0.5, "normalization": "batch", "activation": "gelu"},
}
GLOBAL_OPTIONS = {
    "published": {},
    "centred": {"centred": True},
    "batch": {"normalization": "batch"},
    "activation": {"activation": softened},
    "encoder": {"encoder": True, "centred": True},
    "votes": {"head": "votes"},
    "votes, two passes": {"head": "votes", "passes": 2, "normalization": "batch"},
    "all": {"centred": True, "normalization": "layer", "activation": "silu"},
}
ALL_OPTIONS = [("local", name) for name in LOCAL_OPTIONS] + [("global", name) for name in GLOBAL_OPTIONS]


def small_global(shape=SHAPE, **kwargs):
    sizes = {"filters": (4, 4), "dense_layers": (6,), "shape": shape, "random_state": 0}
    return supervised_global_model_factory(**{**sizes, **kwargs})


def small_local(shape=SHAPE, **kwargs):
    names = ("start_filters", "downsample_filters", "middle_filters", "upsample_filters", "end_filters")
    sizes = dict(zip(names, ((4,), (4, 4), (4,), (4, 4), (4,)), strict=True))
    return supervised_model_factory(**{**sizes, "shape": shape, "random_state": 0, **kwargs})


def with_option(kind, name, shape=ODD, **kwargs):
    """One of the networks of LOCAL_OPTIONS or GLOBAL_OPTIONS, as small as they come."""
    if kind == "local":
        scales = 2 if "upsample_filters" in LOCAL_OPTIONS[name] else 1
        sizes = {"downsample_filters": (4,) * scales, "middle_filters": (), "upsample_filters": (4,)}
        sizes |= {"start_filters": (), "end_filters": (4,), "shape": shape, "random_state": 0}
        return without_graph(supervised_model_factory(**{**sizes, **LOCAL_OPTIONS[name], **kwargs}))
    options = {"shape": shape, "random_state": 0, **GLOBAL_OPTIONS[name], **kwargs}
    if "encoder" in options:
        options["encoder"] = small_encoder(shape)
    return without_graph(supervised_global_model_factory((4,), (6,), **options))


def without_graph(model):
    """The same model, for single steps: on TensorFlow they take less time than making a graph of one."""
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    return model


def small_encoder(shape=ODD):
    """Features (n, 4) of a pair."""
    pair = keras.Input((*shape, 2))
    x = keras.layers.Conv2D(4, 5, strides=3, kernel_initializer=keras.initializers.GlorotUniform(0))(pair)
    return keras.Model(pair, keras.layers.GlobalAveragePooling2D()(x), name="encoder")


def with_random_weights(model, seed=0, scale=0.05):
    """The same model where it predicts a field worth looking at."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.uniform(0, scale, w.shape) for w in model.get_weights()])
    return model


def pairs(n=2, shape=SHAPE):
    return np.random.default_rng(0).random((n, *shape, 2)).astype("float32")


def inputs_of(model, X):
    """What the model takes for the pairs `X`."""
    return X if len(model.inputs) == 1 else (X, X[..., ::-1])


def targets(X, n_fields):
    return (X[..., 1:], *[np.ones((*X.shape[:3], 2), "float32")] * n_fields)


def answers(model, X):
    """Outputs of a model for the pairs `X`, as arrays."""
    return [keras.ops.convert_to_numpy(x) for x in model(inputs_of(model, X), training=False)]
