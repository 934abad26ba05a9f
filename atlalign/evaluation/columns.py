"""What is measured of each pair: the names of the numbers, their units, and which way is better."""

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One number of a pair.

    Parameters
    ----------
    name : str
        In the tables of values.
    label : str
        For a reader, with the unit.
    better : {"higher", "lower"}
        Which way is better.
    decimals : int
        How many are shown.
    """

    name: str
    label: str
    better: str
    decimals: int


_FIXED = (
    Column("endpoint_error_px", "vector distance, px", "lower", 2),
    Column("endpoint_error_p95_px", "  95th percentile, px", "lower", 2),
    Column("endpoint_error_um", "vector distance, um", "lower", 1),
    Column("endpoint_error_p95_um", "  95th percentile, um", "lower", 1),
    Column("endpoint_error_brain_um", "  inside the brain, um", "lower", 1),
    Column("angular_error_deg", "angular error, degrees", "lower", 1),
    Column("corrupted_negative_percent", "corrupted: Jacobian < 0, %", "lower", 3),
    Column("corrupted_nonpositive_percent", "corrupted: Jacobian <= 0, %", "lower", 3),
    Column("corrupted_published_percent", "  as published, %", "lower", 3),
    Column("inverse_consistency_px", "inverse consistency, px", "lower", 3),
    Column("mse_img", "image: mean squared error", "lower", 4),
    Column("mae_img", "image: mean absolute error", "lower", 4),
    Column("psnr_img", "image: PSNR, dB", "higher", 1),
    Column("ssmi_img", "image: SSIM", "higher", 3),
    Column("mi_img", "image: mutual information", "higher", 3),
    Column("cc_img", "image: squared correlation", "higher", 3),
)


def dice_column(depth: int) -> Column:
    """Return the column of the Dice score at a depth of the hierarchy.

    Examples
    --------
    >>> dice_column(4).name
    'dice_depth_4'
    """
    return Column(f"dice_depth_{depth}", f"Dice, depth {depth}", "higher", 3)


def measured_columns(depths: Sequence[int]) -> tuple[Column, ...]:
    """Return what is measured of each pair, in the order of the tables.

    Examples
    --------
    >>> [column.name for column in measured_columns([0, 2])][:3]
    ['dice_depth_0', 'dice_depth_2', 'endpoint_error_px']
    """
    return (*map(dice_column, depths), *_FIXED)
