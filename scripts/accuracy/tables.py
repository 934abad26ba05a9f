"""The numbers of the parts as Markdown tables: a row a method."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from accuracy.measures import MAJOR_STRUCTURES
from accuracy.simulated import DEPTHS

_DEPTHS = tuple(map(str, DEPTHS))


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, its first column to the left and the others to the right.

    Examples
    --------
    >>> print(markdown(["method", "um"], [["identity", "350"]]))
    | method | um |
    | :-- | --: |
    | identity | 350 |
    """
    lines = [list(heading), [":--", *["--:"] * (len(heading) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None, decimals: int) -> str:
    """Return a number as the tables have it, "-" where there is none.

    Examples
    --------
    >>> number(0.12345, 3), number(float("nan"), 1)
    ('0.123', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:.{decimals}f}"


def part_tables(part: str, numbers: Mapping[str, Any]) -> str:
    """Return the heading and tables of a part.

    Parameters
    ----------
    part : {"a", "b", "c", "d"}
    numbers : mapping
        What the part's function returned.
    """
    return {"a": _simulated, "b": _two_photon, "c": _unlabelled, "d": _landmarks}[part](numbers)


def _simulated(numbers: Mapping[str, Any]) -> str:
    methods = numbers["methods"]
    return "\n\n".join(
        [f"### (a) {len(numbers['pairs'])} simulated pairs", _errors(methods), "Dice:", _dice(methods), _costs(methods)]
    )


def _two_photon(numbers: Mapping[str, Any]) -> str:
    methods, unplaced = numbers["methods"], numbers["unplaced"]
    before = ", ".join(f"{name} {number(unplaced[name], 0)}" for name in ("mean", "median", "p95"))
    return "\n\n".join(
        [
            "### (b) real two-photon section",
            f"Laid on the plane by its corner, before its tissue is placed: {before} um.",
            _errors(methods),
            "Dice:",
            _dice(methods, extra={"same label": "same_label"}),
            _costs(methods),
        ]
    )


def _unlabelled(numbers: Mapping[str, Any]) -> str:
    texts = ["### (c) real sections without labels"]
    columns = {"outline Dice": "outline", "structures": "structures", "edges": "edges", "same brain": "same_brain"}
    for name, entry in numbers["sets"].items():
        shown = {label: key for label, key in columns.items() if any(key in row for row in entry["methods"].values())}
        rows = [
            [
                method,
                *(number(row.get(key), 3) for key in shown.values()),
                number(row.get("folded_percent"), 3),
                number(row["seconds"], 2),
            ]
            for method, row in entry["methods"].items()
        ]
        texts += [f"{name}, {entry['sections']} sections:", markdown(["method", *shown, "folded %", "s"], rows)]
    texts += [f"Left out: {name}: {reason}" for name, reason in numbers["left_out"].items()]
    return "\n\n".join(texts)


def _landmarks(numbers: Mapping[str, Any]) -> str:
    methods = numbers["methods"]
    families = list(next(iter(methods.values()))["families"])
    heading = ["method", "median of medians", "mean of medians", "nearer", *families, "folded %", "s"]
    rows = [
        [
            method,
            number(row["median"], 2),
            number(row["mean"], 2),
            number(row["nearer"], 2),
            *(number(row["families"][family], 2) for family in families),
            number(row["folded_percent"], 3),
            number(row["seconds"], 2),
        ]
        for method, row in methods.items()
    ]
    title = f"### (d) landmarks of {len(numbers['pairs'])} pairs of other organs: relative error, % of the diagonal"
    return f"{title}\n\n{markdown(heading, rows)}{_not_found(methods)}"


def _errors(methods: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            *(number(row[key], 0) for key in ("median", "p95", "mean")),
            number(row["folded_percent"], 3),
            number(row["seconds"], 2),
        ]
        for name, row in methods.items()
    ]
    return markdown(["method", "error, um: median", "p95", "mean", "folded %", "s"], rows)


def _dice(methods: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> str:
    extra = extra or {}
    found = [name for name in MAJOR_STRUCTURES if any(name in row["dice_structures"] for row in methods.values())]
    heading = ["method", *extra, *(f"depth {depth}" for depth in _DEPTHS), f"mean of {len(found)}", *found]
    rows = [
        [
            name,
            *(number(row[key], 3) for key in extra.values()),
            *(number(row["dice_depth"][depth], 3) for depth in _DEPTHS),
            number(row["dice_major"], 3),
            *(number(row["dice_structures"].get(structure), 2) for structure in found),
        ]
        for name, row in methods.items()
    ]
    return markdown(heading, rows)


def _costs(methods: Mapping[str, Any]) -> str:
    return f"Seconds: median of a call, from arrays to the field, after a first one.{_not_found(methods)}"


def _not_found(methods: Mapping[str, Any]) -> str:
    failures = [f"{name} {row['not_found']}" for name, row in methods.items() if row["not_found"]]
    return f"\n\nWithout a registration, counted as not moved: {', '.join(failures)}." if failures else ""
