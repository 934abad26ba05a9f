"""`atlalign-train global|local`, also reached as `atlalign train`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import SeedOption, new_app, parse_numbers, parse_path, show_help_without_command

app = new_app()


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Train a network on an HDF5 dataset of labelled pairs."""
    show_help_without_command(context)


DataArgument = Annotated[Path, typer.Argument(parser=parse_path, metavar="DATA.h5", help="Dataset of labelled pairs.")]
OutOption = Annotated[
    Path,
    typer.Option(
        parser=parse_path,
        help="Run folder: config.json, history.csv, curves.png, best.keras, last.keras.",
        metavar="RUN",
    ),
]
AtlasOption = Annotated[
    str | None,
    typer.Option("--atlas", help="Atlas of the reference images.  [default: the dataset's own]", metavar="ATLAS"),
]
EpochsOption = Annotated[int, typer.Option(min=1, help="Passes over the training pairs.")]
BatchSizeOption = Annotated[int, typer.Option(min=1, help="Pairs a step.")]
LossesOption = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: of the image, then of the field (and of the inverse field, for local). Image: mae, mse, "
        "ncc_5, ncc_9, ncc_12, ncc_20. Field: also grad, mse_po, vector_distance, vdclip2, vdclip3. Two at once: "
        "'first&second'.  [default: ncc_9,vector_distance]",
        metavar="NAMES",
    ),
]
WeightsOption = Annotated[
    str,
    typer.Option("--losses-weights", help="Comma-separated, one a loss; the last repeats.", metavar="NUMBERS"),
]
OptimizerOption = Annotated[
    str,
    typer.Option(help="adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop or sgd.", metavar="NAME"),
]
RateOption = Annotated[float, typer.Option("--learning-rate", help="Step size of the optimizer.")]
ShareOption = Annotated[
    float,
    typer.Option("--validation-share", help="Share of the sections kept for validation, from 0 up to 1."),
]
AugmenterOption = Annotated[
    str, typer.Option(help="Random changes of intensities: none or augmenter_1.", metavar="NAME")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --out; only --epochs may then differ.")
]


@app.command("global")
def train_global(
    context: typer.Context,
    data: DataArgument,
    out: OutOption,
    atlas: AtlasOption = None,
    epochs: EpochsOption = 10,
    batch_size: BatchSizeOption = 8,
    losses: LossesOption = None,
    losses_weights: WeightsOption = "1,1",
    optimizer: OptimizerOption = "adam",
    learning_rate: RateOption = 1e-3,
    validation_share: ShareOption = 0.1,
    seed: SeedOption = 0,
    augmenter_ref: AugmenterOption = "none",
    augmenter_mov: AugmenterOption = "none",
    resume: ResumeOption = False,
) -> None:
    """Train the network that finds the affine part of a registration.

    Example: atlalign-train global pairs.h5 --out runs/global --epochs 20
    """
    _train("global", context)


@app.command("local")
def train_local(
    context: typer.Context,
    data: DataArgument,
    out: OutOption,
    atlas: AtlasOption = None,
    epochs: EpochsOption = 10,
    batch_size: BatchSizeOption = 8,
    losses: LossesOption = None,
    losses_weights: WeightsOption = "1,1",
    optimizer: OptimizerOption = "adam",
    learning_rate: RateOption = 1e-3,
    validation_share: ShareOption = 0.1,
    seed: SeedOption = 0,
    augmenter_ref: AugmenterOption = "none",
    augmenter_mov: AugmenterOption = "none",
    compute_inv: Annotated[
        bool,
        typer.Option("--inverse/--no-inverse", help="Also learn the inverse field, from the swapped pair."),
    ] = True,
    resume: ResumeOption = False,
) -> None:
    """Train the network that finds the dense displacement field left after the affine part.

    Example: atlalign-train local pairs.h5 --out runs/local --epochs 20
    """
    _train("local", context)


def _train(kind: str, context: typer.Context) -> None:
    """Start or resume a run with the options of the command line, which are the settings' names."""
    from pydantic import ValidationError

    from atlalign._progress import track
    from atlalign.cli.quiet import load_keras
    from atlalign.training import TrainingConfig, fit
    from atlalign.training import resume as resume_run

    settings = {"kind": kind, **context.params}
    going_on = settings.pop("resume")
    if settings["losses"] is None:
        del settings["losses"]
    else:
        settings["losses"] = tuple(settings["losses"].split(","))
    settings["losses_weights"] = parse_numbers(settings["losses_weights"], "--losses-weights")
    try:
        config = TrainingConfig(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + "-".join(str(part) for part in first["loc"][:1]).replace("_", "-")
        raise ValueError(f"{option}: {first['msg']}. Received: {first['input']!r}") from None

    load_keras()
    from atlalign.ml_utils.callbacks import ProgressReport

    report = ProgressReport()
    watch = {
        "progress": lambda samples, **how: track(samples, "Checking pairs", **how),
        "callbacks": (report,),
    }
    try:
        if going_on:
            given = {name: getattr(config, name) for name in settings if name == "kind" or _was_given(context, name)}
            folder = resume_run(config.out, given, **watch)
        else:
            folder = fit(config, **watch)
    except KeyboardInterrupt:
        report.close()
        typer.echo(
            f"Interrupted. Go on with: atlalign-train {kind} {config.data} --out {config.out} --resume",
            err=True,
        )
        sys.exit(130)
    typer.echo(f"Best model: {folder.best_model}")


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
