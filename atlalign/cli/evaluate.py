"""`atlalign evaluate`: how good trained models are, on pairs whose answer is known."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from atlalign.cli.options import parse_numbers, parse_path, refuse_empty
from atlalign.weights.defaults import DEFAULT, default_models

_HDF5 = (".h5", ".hdf5")


def evaluate_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL|DATA.h5",
            help="A global, a local or a merged model, a global and a local one, or default; and datasets of pairs.",
            parser=parse_path,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate on the validation pairs of this run: its best model, where no MODEL is given. DATA.h5 is "
            "needed only where its datasets were moved.",
            metavar="RUN",
            parser=parse_path,
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with a method without learning; may be given several times. ants and elastix need the extra "
            "of that name.",
            metavar="ants|elastix|features",
        ),
    ] = None,
    depths: Annotated[
        str, typer.Option(help="Depths of the hierarchy of structures at which Dice is computed.", metavar="NUMBERS")
    ] = "0,2,4,6,8",
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluate only so many pairs, spread evenly.  [default: all]", metavar="N"),
    ] = None,
    atlas: Annotated[
        str | None,
        typer.Option(
            help="Atlas of the reference images.  [default: the dataset's own]", metavar="ATLAS", callback=refuse_empty
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for summary.csv, per_pair.csv, summary.json and figures.", metavar="DIR", parser=parse_path
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Measure how well models register pairs whose true fields are known, beside not moving anything.

    Example: atlalign evaluate runs/global/best.keras runs/local/best.keras held_out.h5 --out scores

    Example: atlalign evaluate --run runs/local --baseline ants
    """
    import atlalign
    from atlalign._progress import track
    from atlalign.evaluation import (
        EvaluationFiles,
        baseline_methods,
        evaluate_methods,
        model_methods,
        print_table,
        spread,
    )
    from atlalign.metrics.overlap import require_depths
    from atlalign.pairs import PairSource
    from atlalign.training.held_out import cautions, held_out_pairs

    numbers = parse_numbers(depths, "--depths", int)
    require_depths(numbers)
    results = None if out is None else EvaluationFiles(out)
    if results is not None:
        results.require_writable()
    models, data = _sorted_out(files or [])
    baselines = baseline_methods(baseline or ())
    if run is not None:
        held_out = held_out_pairs(run, data, atlas, lambda blocks: track(blocks, "Reading datasets"))
        source, chosen = held_out.source, spread(held_out.indexes, pairs)
        models = models or held_out.models
    else:
        _require_something(models, data, baselines)
        source = PairSource(data, atlas)
        chosen = spread(range(len(source)), pairs)

    methods: dict[str, Any] = dict(baselines)
    if models:
        from atlalign.cli.quiet import load_keras

        load_keras()
        methods = model_methods(models) | baselines
    notes = cautions(models, source, chosen)
    for note in notes:
        typer.echo(f"Note: {note}", err=True)
    evaluation = evaluate_methods(
        methods,
        source,
        indexes=chosen,
        depths=numbers,
        progress=lambda items: track(items, "Evaluating pairs"),
        check_progress=lambda items: track(items, "Checking pairs"),
    )
    about = {
        "atlalign": atlalign.__version__,
        "models": list(map(str, models)),
        "data": list(map(str, source.paths)),
        "run": None if run is None else str(run),
        "notes": notes,
    }
    if results is not None:
        results.write(evaluation, about)
    if as_json:
        typer.echo(json.dumps({**about, **evaluation.to_dict()}, allow_nan=False))
        return
    print_table(evaluation)
    if results is not None:
        typer.echo(f"Results in {results.folder}")


def _sorted_out(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Return which files are models and which are datasets; .h5 files can be either, and `default` is two models."""
    models = [path for path in files if _is_model(path)]
    data = [path for path in files if path not in models]
    both = [default_models()[kind] for kind in ("global", "local")]
    return [model for path in models for model in (both if path == Path(DEFAULT) else [path])], data


def _is_model(path: Path) -> bool:
    import h5py

    if path.is_file() and h5py.is_hdf5(path):
        try:
            with h5py.File(path, "r") as file:
                return "img" not in file and ("model_config" in file.attrs or "layer_names" in file.attrs)
        except OSError:
            return False  # opening it as a dataset says what is wrong
    return path.suffix not in _HDF5


def _require_something(models: list[Path], data: list[Path], baselines: dict) -> None:
    if not data or not (models or baselines):
        received = ", ".join(map(str, [*models, *data])) or "nothing"
        raise ValueError(
            f"An evaluation needs a model or a --baseline, and a dataset, DATA.h5; or --run RUN. Received: {received}. "
            "See: atlalign evaluate --help"
        )
