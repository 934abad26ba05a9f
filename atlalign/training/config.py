"""Every choice of a training run, in one validated object."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo

from atlalign.weights.defaults import DEFAULT, default_models

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _split_at_commas(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_at_commas)]
Numbers = Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], BeforeValidator(_split_at_commas)]
Channels = Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, BeforeValidator(_split_at_commas)]
Augmenter = Literal["none", "augmenter_1"]


def _only(*kinds: str) -> dict[str, Any]:
    return {"kinds": list(kinds)}


class TrainingConfig(BaseModel):
    """Every choice of a training run; each is also an option of ``atlalign-train`` and a key of its TOML file.

    `kind`, `data` and `out` must be given; the fields' descriptions say what the others mean.

    Raises
    ------
    pydantic.ValidationError
        If a value does not fit, or a name is unknown; the message names the nearest known one.

    Examples
    --------
    >>> config = TrainingConfig(kind="global", data="pairs.h5", out="run", epochs=3)
    >>> config.losses, config.data[0].name
    (('ncc_9', 'vector_distance'), 'pairs.h5')
    >>> TrainingConfig(kind="global", data="pairs.h5", out="run", epoch=3)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for TrainingConfig
      Value error, a setting must be one that exists. Received: epoch. Did you mean epochs? ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["global", "local", "position"] = Field(description="Which network.")
    data: Annotated[tuple[Path, ...], Field(min_length=1)] = Field(description="Datasets of labelled pairs.")
    out: Path = Field(description="Run folder; must not hold a run yet, unless it is resumed.")
    atlas: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Atlas of the reference images; the dataset's own by default."
    )

    losses: Names = Field(
        default=(),
        description="A loss of the image, then of the field, and for local networks of the inverse field; see the "
        "page on losses. Two at once: 'first&second'.",
        json_schema_extra=_only("global", "local"),
    )
    losses_weights: Numbers = Field(
        default=(1.0, 1.0),
        description="One a loss; the last repeats.",
        json_schema_extra=_only("global", "local"),
    )
    inverse_consistency: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Weight of the distance that field and inverse field leave between them.",
        json_schema_extra=_only("local"),
    )

    epochs: Annotated[int, Field(ge=1)] = Field(default=10, description="Passes over the training pairs.")
    batch_size: Annotated[int, Field(ge=1)] = Field(default=8, description="Pairs a step.")
    optimizer: Literal["adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd"] = Field(
        default="adam", description="How the weights follow the gradient."
    )
    learning_rate: Positive = Field(default=1e-3, description="Its step size.")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="Step size over the run: the same, or falling to 0 along a cosine."
    )
    warmup_epochs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="Epochs, also in fractions, over which the step size first rises from 0."
    )
    clip_norm: Positive | None = Field(default=None, description="Longest gradient; longer ones are shortened to it.")
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Validate and keep a running average of the weights with this momentum, such as 0.999.",
    )
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        default="float32", description="Of the convolutions; fields are always float32."
    )
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Stop after so many epochs without a lower validation loss."
    )
    checkpoint_minutes: Positive | None = Field(
        default=None, description="Also save within an epoch, this often; without it after each epoch."
    )

    validation_share: Share = Field(default=0.1, description="Share of the brains, or sections, kept for validation.")
    split_by: Literal["auto", "dataset_id", "image_id"] = Field(
        default="auto",
        description="What is never on both sides: a brain (dataset_id) or a section (image_id); auto takes brains "
        "where the data hold several.",
    )
    metrics_pairs: Annotated[int, Field(ge=0)] = Field(
        default=64, description="Validation pairs on which errors in um, folds and Dice are computed each epoch."
    )
    augmenter_ref: Augmenter = Field(
        default="none",
        description="Random changes of the references' intensities.",
        json_schema_extra=_only("global", "local"),
    )
    augmenter_mov: Augmenter = Field(
        default="none",
        description="Random changes of the moving images' intensities.",
        json_schema_extra=_only("global", "local"),
    )
    deformation: Literal["none", "affine", "local", "both"] = Field(
        default="none",
        description="Deform the moving images, and their labels with them, anew in each epoch.",
        json_schema_extra=_only("global", "local"),
    )
    p_reg: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="Share of these that start from the registered image.",
        json_schema_extra=_only("global", "local"),
    )
    mirror: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="Share of the pairs that are mirrored left to right, anew in each epoch; 0.5 where the atlas is "
        "symmetric.",
        json_schema_extra=_only("global", "local"),
    )
    workers: Annotated[int, Field(ge=0)] = Field(
        default=1, description="Processes that prepare batches; 0 leaves it to the process that trains."
    )
    queue: Annotated[int, Field(ge=1)] = Field(
        default=4, description="Batches that are held ready: this bounds the memory, whatever the datasets' size."
    )
    global_model: Path | None = Field(
        default=None,
        description="Train on what this network, or 'default', leaves: it places the moving images first.",
        json_schema_extra=_only("local"),
    )

    filters: Channels = Field(
        default=None,
        description="Channels of each scale.  [default: 16,16,32,32,32; position: 16,32,64,96,96]",
        json_schema_extra=_only("global", "position"),
    )
    dense_layers: Channels = Field(
        default=None,
        description="Sizes of the dense layers.  [default: 40; position: 64]",
        json_schema_extra=_only("global", "position"),
    )
    centred: bool = Field(
        default=True,
        description="Affine about the centre in half diagonals, which trains better than pixels from the corner.",
        json_schema_extra=_only("global"),
    )
    head: Literal["dense", "votes"] = Field(
        default="dense",
        description="How the affine comes about: from dense layers, as published, or fitted to what every part of the "
        "image votes for, which learns from fewer pairs.",
        json_schema_extra=_only("global"),
    )
    passes: Annotated[int, Field(ge=1)] = Field(
        default=1,
        description="With votes, how often the network looks, each time at the image as moved so far.",
        json_schema_extra=_only("global"),
    )
    start_filters: Channels = Field(
        default=None, description="Channels before the first pooling.  [default: 16]", json_schema_extra=_only("local")
    )
    downsample_filters: Channels = Field(
        default=None,
        description="Channels of each scale on the way down.  [default: 16,32,32,32]",
        json_schema_extra=_only("local"),
    )
    middle_filters: Channels = Field(
        default=None, description="Channels of the coarsest scale.  [default: 32]", json_schema_extra=_only("local")
    )
    upsample_filters: Channels = Field(
        default=None,
        description="Channels of each scale on the way up; fewer than on the way down make the field coarser.  "
        "[default: 32,32,32,32]",
        json_schema_extra=_only("local"),
    )
    end_filters: Channels = Field(
        default=None,
        description="Channels after the last upsampling.  [default: 64,64]",
        json_schema_extra=_only("local"),
    )
    compute_inv: bool = Field(
        default=True,
        description="Also learn the inverse field, from the swapped pair.",
        json_schema_extra=_only("local"),
    )
    diffeomorphic: bool = Field(
        default=False,
        description="Predict a velocity and integrate it: fields without folds, exact inverses.",
        json_schema_extra=_only("local"),
    )
    normalization: Literal["none", "batch", "group", "layer"] = Field(
        default="none",
        description="Normalisation after each convolution.",
        json_schema_extra=_only("global", "local"),
    )

    init_from: Path | None = Field(
        default=None, description="Start from the weights of this model, or of 'default' (fine-tuning)."
    )
    freeze: Literal["none", "encoder"] = Field(
        default="none", description="What of it is kept as it is: encoder is the way down to the coarsest scale."
    )

    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Start of all randomness.")
    strategy: Literal["none", "mirrored", "data-parallel"] = Field(
        default="none",
        description="Several GPUs of one machine (mirrored, on TensorFlow), or several machines (data-parallel, "
        "on JAX).",
    )
    tensorboard: bool = Field(default=False, description="Also write RUN/tensorboard.")
    mlflow: bool = Field(default=False, description="Also log to MLflow, where MLFLOW_TRACKING_URI says.")

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest(cls, values: Any) -> Any:
        unknown = sorted(set(values) - set(cls.model_fields)) if isinstance(values, dict) else []
        if unknown:
            near = difflib.get_close_matches(unknown[0], cls.model_fields, n=1, cutoff=0.0)
            raise ValueError(f"a setting must be one that exists. Received: {unknown[0]}. Did you mean {near[0]}?")
        return values

    @field_validator(
        "atlas", "clip_norm", "ema", "early_stopping", "checkpoint_minutes", "global_model", "init_from", mode="before"
    )
    @classmethod
    def _unset(cls, value: Any) -> Any:
        """On a command line ``none`` undoes what the file sets."""
        return None if value == "none" else value

    @field_validator("global_model", "init_from", mode="before")
    @classmethod
    def _name_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        """Say where the network lies that comes with the package, which is called ``default``."""
        kind = "global" if info.field_name == "global_model" else str(info.data.get("kind"))
        return default_models().get(kind, value) if value == DEFAULT else value

    @field_validator("strategy", mode="before")
    @classmethod
    def _refuse_multi_worker(cls, value: Any) -> Any:
        if isinstance(value, str) and value.lower().replace("_", "-").startswith("multi"):
            raise ValueError(
                "several machines train together on JAX only, since Keras's fit fails under TensorFlow's multi-worker "
                "strategy: set KERAS_BACKEND=jax and give data-parallel"
            )
        return value

    @field_validator("data", mode="before")
    @classmethod
    def _one_is_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("data")
    @classmethod
    def _make_absolute(cls, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        """The same files by whatever name, from whatever folder."""
        return tuple(path.resolve() for path in paths)

    @field_validator("out", "global_model", "init_from")
    @classmethod
    def _make_one_absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    @field_validator("losses_weights")
    @classmethod
    def _require_a_weight(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not any(weights):
            raise ValueError("at least one weight must be above 0")
        return weights

    @model_validator(mode="after")
    def _fit_together(self) -> "TrainingConfig":
        for name in sorted(self.model_fields_set):
            field = type(self).model_fields[name]
            if not belongs_to(field, self.kind) and getattr(self, name) != field.default:
                raise ValueError(f"{name} is a setting of the other networks. Received it for a {self.kind} one")
        if self.freeze != "none" and self.init_from is None:
            raise ValueError("freeze needs init_from: a model whose encoder is worth keeping. Received: freeze alone")
        if self.strategy == "mirrored" and self.clip_norm is not None:
            raise ValueError(
                "clip_norm does not go with strategy mirrored, where each device would clip the gradient of its own "
                "share. Received both. Leave one out, or set KERAS_BACKEND=jax and give data-parallel"
            )
        if self.strategy == "mirrored" and self.precision == "mixed_float16":
            raise ValueError(
                "precision mixed_float16 does not go with strategy mirrored, where Keras's scaling of the loss fails. "
                "Received both. Give mixed_bfloat16, or set KERAS_BACKEND=jax and give data-parallel"
            )
        if self.passes > 1 and self.head != "votes":
            raise ValueError(f"passes needs head votes. Received: passes={self.passes} with head {self.head}")
        if self.inverse_consistency and not self.compute_inv:
            raise ValueError("inverse_consistency needs compute_inv. Received: a weight, but no inverse field")
        return self

    def model_post_init(self, context: Any) -> None:
        """Fill in the losses of the kind."""
        if not self.losses and self.kind != "position":
            fields = 2 if self.kind == "local" and self.compute_inv else 1
            object.__setattr__(self, "losses", ("ncc_9", *["vector_distance"] * fields))


def needed_weights(config: TrainingConfig) -> set[str]:
    """Return the names of the sets of weights (`atlalign.weights`) that the losses need.

    Examples
    --------
    >>> losses = ("perceptual_loss_net-lin_alex&mse", "grad")
    >>> needed_weights(TrainingConfig(kind="global", data="pairs.h5", out="run", losses=losses))
    {'lpips'}
    """
    return {"lpips"} if any("perceptual_loss" in name for name in config.losses) else set()


def belongs_to(field: FieldInfo, kind: str) -> bool:
    """Return whether a field of `TrainingConfig` is a setting of that kind of network.

    Examples
    --------
    >>> belongs_to(TrainingConfig.model_fields["diffeomorphic"], "global")
    False
    """
    extra = field.json_schema_extra
    kinds = extra.get("kinds") if isinstance(extra, dict) else None
    return not isinstance(kinds, list) or kind in kinds
