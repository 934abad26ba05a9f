"""Model files as Keras 2 wrote them, small enough to write by hand."""

import json

import h5py
import numpy as np

SHAPE = (5, 7)


def node(*calls):
    """One call of a layer, on outputs given as (layer, call)."""
    return [[name, call, 0, {}] for name, call in calls]


def layer(class_name, name, *nodes, **config):
    return {
        "class_name": class_name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "name": name,
        "inbound_nodes": list(nodes),
    }


def input_layer(name):
    entry = layer("InputLayer", name, batch_input_shape=[None, *SHAPE, 2], sparse=False, ragged=False)
    del entry["config"]["trainable"]
    return entry


def scale(name, *nodes, **config):
    """A 1x1 convolution, which multiplies both channels by a number."""
    initializer = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    return layer(
        "Conv2D", name, *nodes, filters=2, kernel_size=[1, 1], use_bias=False, kernel_initializer=initializer, **config
    )


def model(name, layers, inputs, outputs, *nodes):
    config = {
        "name": name,
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, call, 0] for name, call in outputs],
    }
    return {"class_name": "Functional", "config": config, "name": name, "inbound_nodes": list(nodes)}


def ancestor(extract="ExtractMoving", no_op="NoOp"):
    """A local model in the form of atlalign 0.6.2: the inverse field comes from an inner model of the same layers."""
    half = scale("conv2d", node(("reg_mov", 0)))
    act = layer("LeakyReLU", "leaky_re_lu", node(("conv2d", 0)), alpha=0.5)
    dvf = layer("ZeroPadding2D", "dvf", node(("leaky_re_lu", 0)), padding=[[0, 0], [0, 0]], data_format="channels_last")
    inner = model("model", [input_layer("reg_mov"), half, act, dvf], ["reg_mov"], [("dvf", 0)], node(("mov_reg", 0)))
    layers = [
        input_layer("reg_mov"),
        half,
        act,
        input_layer("mov_reg"),
        layer(extract, "extract_moving", node(("reg_mov", 0))),
        dvf,
        inner,
        layer("BilinearInterpolation", "img_registered", node(("extract_moving", 0), ("dvf", 0))),
        layer(no_op, "inv_dvf", node(("model", 1))),
    ]
    outputs = [("img_registered", 0), ("dvf", 0), ("inv_dvf", 0)]
    return model("model_1", layers, ["reg_mov", "mov_reg"], outputs)


def leaky(x):
    return np.where(x < 0, 0.5 * x, x)


def write_whole(path, config, factors):
    """One .h5 file; `factors` maps the layers to the numbers of their convolutions."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({key: config[key] for key in ("class_name", "config")})
        _write_weights(file.create_group("model_weights"), factors)
    return path


def write_separate(folder, config, factors):
    """A folder with JSON inside a JSON string, and the weights."""
    folder.mkdir()
    text = json.dumps({"class_name": config["class_name"], "config": config["config"], "keras_version": "2.15.0"})
    (folder / f"{folder.name}.json").write_text(json.dumps(text), encoding="utf-8")
    with h5py.File(folder / f"{folder.name}.h5", "w") as file:
        _write_weights(file, factors)
    return folder


def _write_weights(group, factors):
    group.attrs["layer_names"] = list(factors)
    for name, numbers in factors.items():
        # An inner model lists the weights of its layers; a number alone is that of the layer itself.
        numbers = numbers if isinstance(numbers, dict) else {name: numbers}
        names = [f"{convolution}/kernel:0" for convolution in numbers]
        layer_group = group.create_group(name)
        layer_group.attrs["weight_names"] = names
        for weight, number in zip(names, numbers.values(), strict=True):
            layer_group[weight] = number * np.eye(2, dtype="float32")[None, None]
