"""What an evaluation found: of each pair, and on average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atlalign.evaluation.columns import Column, measured_columns
from atlalign.evaluation.distribution import ErrorDistribution


@dataclass(frozen=True)
class Evaluation:
    """Numbers of every pair and method.

    Parameters
    ----------
    per_pair : pandas.DataFrame
        A row for each pair and method: `method`; `file`, `sample`, `image_id`, `dataset_id` and `position_um` of the
        pair; whether the method `found` a registration, and in how many `seconds`; and the measured numbers.
    depths : tuple of int
        Where Dice was computed.
    errors : dict of str to ErrorDistribution
        Of each method, the endpoint errors of all pixels inside the brain.

    Examples
    --------
    >>> table = pd.DataFrame({"method": "a", "found": True, "seconds": [1.0, 3.0], "mse_img": [0.0, 2.0]})
    >>> summary = Evaluation(table, (), {}).summary
    >>> summary.loc["a", ["pairs", "seconds_median", "mse_img_mean"]].tolist()
    [2.0, 2.0, 1.0]
    """

    per_pair: pd.DataFrame
    depths: tuple[int, ...]
    errors: Mapping[str, ErrorDistribution]

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in their order."""
        return self.per_pair["method"].drop_duplicates().tolist()

    @property
    def columns(self) -> list[Column]:
        """What was measured, in the order of the tables."""
        return [column for column in measured_columns(self.depths) if column.name in self.per_pair]

    @property
    def summary(self) -> pd.DataFrame:
        """A row a method.

        `pairs`: how many there are; `not_found`: of how many it found no registration; `seconds_median`; and for each
        measured number NAME, ``NAME_mean`` over the pairs and ``NAME_std``, the sample standard deviation.
        """
        rows = []
        for name in self.methods:
            table = self.per_pair[self.per_pair["method"] == name]
            row: dict[str, Any] = {
                "method": name,
                "pairs": len(table),
                "not_found": int((~table["found"]).sum()),
                "seconds_median": float(table["seconds"].median()),
            }
            for column in self.columns:
                row[f"{column.name}_mean"] = float(table[column.name].mean())
                with np.errstate(invalid="ignore"):  # of infinite numbers, such as the PSNR of equal images, it is NaN
                    row[f"{column.name}_std"] = float(table[column.name].std())
            rows.append(row)
        return pd.DataFrame(rows).set_index("method")

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON has it: of each method its counts, seconds, and mean and std of each number.

        Numbers that are not finite, such as the standard deviation of one pair, are None.
        """
        summary = self.summary
        methods = {}
        for name, row in zip(summary.index, summary.to_dict("records"), strict=True):
            methods[str(name)] = {
                "not_found": int(row["not_found"]),
                "seconds_median": row["seconds_median"],
                **{
                    column.name: {part: _or_none(row[f"{column.name}_{part}"]) for part in ("mean", "std")}
                    for column in self.columns
                },
            }
        return {"pairs": int(summary["pairs"].iloc[0]), "depths": list(self.depths), "methods": methods}


def _or_none(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
