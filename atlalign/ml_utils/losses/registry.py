"""The names of the losses."""

import itertools
from collections.abc import Callable, Iterator, Mapping

import keras

from atlalign.ml_utils.losses.determinants import jacobian, jacobian_distance
from atlalign.ml_utils.losses.distances import VDClipper, mse_po, vector_distance
from atlalign.ml_utils.losses.global_correlation import cross_correlation
from atlalign.ml_utils.losses.local_correlation import NCC
from atlalign.ml_utils.losses.mixing import DVF2IMG, Mixer
from atlalign.ml_utils.losses.overlap import dice
from atlalign.ml_utils.losses.perceptual import PerceptualLoss
from atlalign.ml_utils.losses.pixelwise import mae, mse, psnr
from atlalign.ml_utils.losses.roughness import Grad, bending_energy
from atlalign.ml_utils.losses.self_similarity import MIND
from atlalign.ml_utils.losses.structural_similarity import ssim

Loss = Callable


class LossTable(Mapping):
    """Losses by name, and each two of them as ``"first&second"``, half of each, made when first asked for.

    Parameters
    ----------
    singles : dict
        The losses by their own names.
    """

    def __init__(self, singles: dict[str, Loss]):
        self.singles = dict(singles)
        self._pairs: dict[str, Loss] = {}

    def __getitem__(self, name: str) -> Loss:
        if name in self.singles:
            return self.singles[name]
        if name not in self._pairs:
            first, second = self._split(name)
            self._pairs[name] = Mixer(self.singles[first], self.singles[second], name=f"{first}_and_{second}")
        return self._pairs[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.singles
        yield from (f"{first}&{second}" for first, second in itertools.permutations(self.singles, 2))

    def __len__(self) -> int:
        return len(self.singles) ** 2

    def _split(self, name: str) -> list[str]:
        parts = name.split("&") if isinstance(name, str) else []
        if len(parts) != 2 or parts[0] == parts[1] or not set(parts) <= self.singles.keys():
            raise KeyError(name)
        return parts


_ON_IMAGES: dict[str, Loss] = {
    "ncc_5": NCC(5, name="ncc_5"),
    "ncc_9": NCC(9, name="ncc_9"),
    "ncc_12": NCC(12, name="ncc_12"),
    "ncc_20": NCC(20, name="ncc_20"),
    "pearson": cross_correlation,
    "psnr": psnr,
    "ssim": ssim,
    "mind": MIND(),
    "dice": dice,
    **{
        f"perceptual_loss_{model}_{net}": PerceptualLoss(model, net, name=f"perceptual_loss_{model}_{net}")
        for model in ("net-lin", "net")
        for net in ("alex", "vgg")
    },
}
_ON_FIELDS: dict[str, Loss] = {
    "mse_po": mse_po,
    "vector_distance": vector_distance,
    "vdclip2": VDClipper(20, 2, name="vdclip2"),
    "vdclip3": VDClipper(20, 3, name="vdclip3"),
    "grad": Grad(),
    "bending_energy": bending_energy,
    "jacobian": jacobian,
    "jacobian_distance": jacobian_distance,
    "vector_jacobian_distance": Mixer(vector_distance, jacobian_distance, name="vector_jacobian_distance"),
    "vector_jacobian_distance_02": Mixer(
        vector_distance, jacobian_distance, weights=[0.2, 0.8], name="vector_jacobian_distance_02"
    ),
}
# On fields these act on whole pixels.
_ON_BOTH: dict[str, Loss] = {"mae": mae, "mse": mse}

ALL_IMAGE_LOSSES = LossTable({**_ON_BOTH, **_ON_IMAGES})
ALL_DVF_LOSSES = LossTable(
    {**_ON_BOTH, **_ON_FIELDS, **{name: DVF2IMG(loss, name=name) for name, loss in _ON_IMAGES.items()}}
)


def get_losses(names, n_outputs: int) -> list[Loss]:
    """Look up one loss an output: an image loss, then field losses, the last repeated when one is missing.

    Parameters
    ----------
    names : sequence of str or callable
        Keys of `ALL_IMAGE_LOSSES` (first) and `ALL_DVF_LOSSES` (others), or losses themselves.
    n_outputs : int
        2, or 3 for a model that also predicts the inverse field.

    Returns
    -------
    list of keras.losses.Loss
        What `keras.Model.compile` takes as `loss`.

    Raises
    ------
    ValueError
        If a name is unknown, or there are too few or too many.

    Examples
    --------
    >>> [getattr(loss, "name", loss) for loss in get_losses(["ncc_9", "grad"], 3)]
    ['ncc_9', 'grad', 'grad']
    >>> get_losses(["nc_9", "grad"], 2)
    Traceback (most recent call last):
    ...
    ValueError: The loss of an image must be one of mae, mse, ncc_5, ncc_9, ncc_12, ncc_20, pearson, psnr, ssim, mind,
    dice, perceptual_loss_net-lin_alex, perceptual_loss_net-lin_vgg, perceptual_loss_net_alex, perceptual_loss_net_vgg,
    or two of them as 'first&second'. Received: 'nc_9'
    """
    names = [names] if isinstance(names, str) else list(names)
    if not 2 <= len(names) <= n_outputs:
        raise ValueError(f"losses must name one loss an output ({n_outputs}), at least two. Received: {names}")
    names += names[-1:] * (n_outputs - len(names))
    return [
        _get_loss(name, ALL_IMAGE_LOSSES, "an image")
        if i == 0
        else _get_loss(name, ALL_DVF_LOSSES, "a displacement field")
        for i, name in enumerate(names)
    ]


def _get_loss(name, table: LossTable, what: str) -> Loss:
    if callable(name):
        return name
    if name not in table:
        raise ValueError(
            f"The loss of {what} must be one of {', '.join(table.singles)}, or two of them as 'first&second'. "
            f"Received: {name!r}"
        )
    loss = table[name]
    # As an object a function, too, is averaged over the replicas of a distribution strategy.
    return loss if isinstance(loss, keras.losses.Loss) else Mixer(loss, name=name)
