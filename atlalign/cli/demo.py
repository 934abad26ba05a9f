"""`atlalign demo`: the whole product on a phantom, without network or data."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import SeedOption, parse_path


def demo_command(
    out: Annotated[Path, typer.Argument(parser=parse_path, metavar="[DIR]", help="New folder to fill.")] = Path(
        "atlalign-demo"
    ),
    seed: SeedOption = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate.")] = 2,
) -> None:
    """Fine-tune the default networks on a phantom brain, register new sections of it with both, write a report.

    Takes some minutes on two cores. Example: atlalign demo atlalign-demo
    """
    from atlalign.cli.quiet import load_keras
    from atlalign.demo import CONTENTS, run_demo

    load_keras()
    summary = run_demo(out, seed=seed, workers=workers, watch=_Watch())
    typer.echo(
        f"Mean error in tissue: {summary['error_before_px']:.2f} px before, {summary['error_default_px']:.2f} px with "
        f"the default networks, {summary['error_after_px']:.2f} px after fine-tuning them (1 px = 100 um). "
        f"Open {out / 'report.html'}"
    )
    width = max(map(len, CONTENTS))
    typer.echo("\n".join([f"In {out}:", *(f"  {name:{width}s}  {what}" for name, what in CONTENTS.items())]))


class _Watch:
    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def track(self, items: Iterable, description: str, **how: int) -> Iterator:
        from atlalign._progress import track

        return track(items, description, **how)

    def training(self) -> list:
        from atlalign.ml_utils.callbacks import ProgressReport

        return [ProgressReport()]
