r"""Measure how well the default networks register, beside registration without learning, on the same inputs.

Four parts, each described in its module in scripts/accuracy: (a) simulated pairs of reserved positions, (b) the real
two-photon section with labels, (c) real sections without labels, (d) landmarks on other organs. (b) to (d) need the
real material kept beside the project.

Methods: identity; ants_affine; ants_syn, as the ancestor called it; ants_syn_strong, with the local correlation and
100, 70, 50, 20 iterations; elastix_affine; elastix_bspline, an affine and then B-splines every 20 px; global and
global+local, the networks. All are given the same two arrays on the grid of --shape; networks of another grid resize
them. ANTs and elastix use all processors.

Progress goes to the standard error, Markdown tables to the standard output, everything to --json, which is written
whole after each part.

Example:
    python scripts/benchmark_accuracy.py --parts b,d --methods identity,elastix_affine,global --json accuracy.json
"""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accuracy.landmarks import find_pairs, measure_landmarks
from accuracy.measures import evenly
from accuracy.methods import DEFAULT, METHODS, Method, make_methods
from accuracy.progress import say
from accuracy.simulated import SEED, held_out_pairs, measure_pairs, stored_pairs
from accuracy.tables import part_tables
from accuracy.two_photon import measure_two_photon
from accuracy.unlabelled import measure_unlabelled

import atlalign
from atlalign._files import atomic_path, require_file, require_folder
from atlalign.atlas import Atlas
from atlalign.errors import AtlalignError

SHARED = Path(__file__).resolve().parents[2] / "shared"
PARTS = ("a", "b", "c", "d")
PACKAGES = ("numpy", "opencv-python-headless", "keras", "tensorflow", "jax", "antspyx", "itk-elastix")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--global-model", type=Path, help="a model, or default: the package's")
    parser.add_argument("--local-model", type=Path, help="likewise; without either, both are the package's")
    parser.add_argument("--parts", type=_chosen(PARTS), default=PARTS, help="some of a,b,c,d; all by default")
    parser.add_argument("--methods", type=_chosen(METHODS), help=f"some of {','.join(METHODS)}; all by default")
    parser.add_argument("--n", type=int, help="pairs of (a), 200 by default; sections a set, and pairs, of (c) and (d)")
    parser.add_argument("--pairs", type=Path, help="a dataset to take the pairs of (a) from, spread evenly over it")
    parser.add_argument(
        "--shape", type=_shape, default="atlas", help="grid: atlas (25 um, the default), model, or HEIGHTxWIDTH"
    )
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of real material; default %(default)s")
    parser.add_argument("--atlas", help="default: SHARED/atlas/ccf_2017")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    given = parser.parse_args(arguments)
    try:
        _run(given)
    except (AtlalignError, ValueError, OSError) as error:
        say(" ".join(str(error).split()))
        sys.exit(2)


def _run(given: argparse.Namespace) -> None:
    if given.n is not None and given.n < 1:
        raise ValueError(f"--n must be at least 1. Received: {given.n}.")
    for path in (given.pairs, given.global_model, given.local_model):
        if path not in (None, DEFAULT) and not path.is_dir():  # the ancestor's models may be folders
            require_file(path)
    if given.json is not None:
        require_folder(given.json.absolute().parent)
    atlas = Atlas.load(given.atlas or given.shared / "atlas" / "ccf_2017")
    shape = {"atlas": atlas.shape[1:], "model": None}.get(given.shape, given.shape)
    methods = make_methods(given.methods, shape, given.global_model, given.local_model)
    shape = methods[0].shape
    say(f"grid {shape[0]} x {shape[1]}, methods: {', '.join(method.name for method in methods)}")
    result = {"about": _about(given, atlas, shape), "parts": {}}
    print(f"Atlas {atlas.name}, grid {shape[0]} x {shape[1]}, {os.cpu_count()} processors.", flush=True)
    for part in given.parts:
        for method in methods:
            method.begin()
        numbers = _measure(part, given, atlas, shape, methods)
        result["parts"][part] = numbers
        print(f"\n{part_tables(part, numbers)}", flush=True)
        if given.json is not None:
            with atomic_path(given.json) as path:
                path.write_text(json.dumps(_finite(result), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _measure(
    part: str, given: argparse.Namespace, atlas: Atlas, shape: tuple[int, int], methods: list[Method]
) -> dict[str, Any]:
    if part == "a":
        n = given.n or 200
        pairs = stored_pairs(given.pairs, atlas, n) if given.pairs else held_out_pairs(atlas, shape, n)
        return measure_pairs(pairs, n, atlas, methods)
    if part == "b":
        return measure_two_photon(given.shared / "sections" / "stpt_hippocampus", atlas, methods)
    if part == "c":
        return measure_unlabelled(given.shared, atlas, methods, given.n)
    marked = find_pairs(given.shared / "landmarks")
    chosen = evenly(np.arange(len(marked)), given.n or len(marked))
    return measure_landmarks([marked[int(index)] for index in chosen], methods)


def _about(given: argparse.Namespace, atlas: Atlas, shape: tuple[int, int]) -> dict[str, Any]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "atlalign": atlalign.__version__,
        "atlas": {"name": atlas.name, "version": atlas.version},
        "shape": list(shape),
        "pairs": str(given.pairs) if given.pairs else {"simulated_with_seed": SEED},
        "models": {
            name: str(path) if path else None
            for name, path in (("global", given.global_model), ("local", given.local_model))
        },
        "processors": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _finite(value: Any) -> Any:
    """Return nested numbers as JSON can hold them: what is not a number is None."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _chosen(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"must be some of {','.join(allowed)}. Received: {unknown[0]!r}.")
        return names

    return parse


def _shape(text: str) -> str | tuple[int, int]:
    if text in ("atlas", "model"):
        return text
    try:
        height, width = (int(part) for part in text.split("x"))
    except ValueError:
        height = width = 0
    if min(height, width) < 16:
        raise argparse.ArgumentTypeError(
            f"must be atlas, model, or such as 160x228, each at least 16. Received: {text!r}."
        )
    return height, width


if __name__ == "__main__":
    main()
