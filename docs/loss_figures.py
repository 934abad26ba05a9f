"""The figures of the page on losses, one function each; Sphinx's plot directive calls them.

That of the perceptual losses needs their weights, so its picture is kept. In this folder,
`python -c "import loss_figures; loss_figures.perceptual()"` draws it again.
"""

import matplotlib.pyplot as plt
import numpy as np

from atlalign import Atlas, DisplacementField
from atlalign.ml_utils.losses import ALL_DVF_LOSSES, ALL_IMAGE_LOSSES, inverse_consistency
from atlalign.visualization import create_grid

BLUE, ORANGE, GREEN = "#1f5fa8", "#d2601a", "#3d8b57"
LINES = {
    "same": {"color": BLUE, "lw": 2.4},
    "paler": {"color": GREEN, "ls": "--"},
    "inverted": {"color": ORANGE},
}
SHAPE = (80, 114)
SHIFTS = np.arange(-12, 13)


def stains():
    """The reference, and the moving image in three stains."""
    reference, moving = _reference(), _stains(_reference())
    _, panels = plt.subplots(1, 4, figsize=(9.5, 2.1), layout="constrained")
    pictures = {"reference": reference, **{f"moving: {name}": image for name, image in moving.items()}}
    for panel, (title, picture) in zip(panels, pictures.items(), strict=True):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
        panel.set_title(title, fontsize=10)
        panel.axis("off")


def pixelwise():
    """mae, mse and psnr against a shift."""
    _against_shift("mae", "mse", "psnr")


def correlations():
    """pearson, and ncc with narrow and wide windows, against a shift."""
    _against_shift("pearson", "ncc_5", "ncc_9", "ncc_20")


def structure():
    """ssim and mind against a shift."""
    _against_shift("ssim", "mind")


def overlap():
    """dice against a shift, of coarse and of fine structures."""
    atlas = Atlas.load("phantom")
    annotation = atlas.annotation_plane(5400, SHAPE).astype("int64")
    _, (pictures, curve) = plt.subplots(1, 2, figsize=(9.5, 2.9), layout="constrained", width_ratios=(1, 1.3))
    pictures.imshow(_outlined(atlas.structures.at_depth(annotation, 2)), cmap="gray")
    pictures.set_title("outlines at depth 2", fontsize=10)
    pictures.axis("off")
    for depth, color in ((2, BLUE), (6, ORANGE)):
        labels = atlas.structures.at_depth(annotation, depth)
        ids = np.unique(labels)[1:]
        one_hot = (labels[..., None] == ids).astype("float32")
        values = []
        for shift in SHIFTS:
            warped = np.stack([_shifted(one_hot[..., k], shift) for k in range(len(ids))], axis=-1)
            values.append(float(ALL_IMAGE_LOSSES["dice"](one_hot[None], warped[None])))
        curve.plot(SHIFTS, values, color=color, label=f"depth {depth}: {len(ids)} structures")
    _finish(curve, "dice", "shift (px)")


def distances():
    """Distances of fields against the share of the truth that is predicted, and the powers of vdclip."""
    true = _bend(10)
    _, panels = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")
    shares = np.linspace(-0.5, 2.5, 31)
    for panel, names in zip(panels, (("mae", "vector_distance"), ("mse", "mse_po")), strict=False):
        _curves(panel, names, shares, lambda name, share: _on_fields(name, true, share * true))
        _finish(panel, " and ".join(names), "predicted / true")
    lengths = np.linspace(0, 40, 41)
    panel = panels[2]
    there = np.zeros((4, 4, 2), "float32")
    off = np.float32([1, 0])
    _curves(panel, ("vdclip2", "vdclip3"), lengths, lambda name, length: _on_fields(name, there, there + length * off))
    panel.plot(20, 1, "o", color="black", ms=4)
    panel.annotate("1 at 20 px", (20, 1), (3, 2.6), fontsize=9, arrowprops={"arrowstyle": "-", "lw": 0.7})
    _finish(panel, "vdclip2 and vdclip3", "mean distance (px)")


def roughness():
    """grad and bending_energy against amplitude, of a turn and of a bend."""
    turn = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.3).deltas_xy
    bend = _bend(10)
    grid = create_grid(SHAPE, grid_spacing=8, grid_thickness=1)
    _, panels = plt.subplots(1, 4, figsize=(9.5, 2.3), layout="constrained")
    for panel, (field, title) in zip(panels, ((turn, "a turn"), (bend, "a bend")), strict=False):
        panel.imshow(DisplacementField(*np.moveaxis(field, -1, 0)).warp(grid), cmap="gray")
        panel.set_title(title, fontsize=10)
        panel.axis("off")
    for panel, name in zip(panels[2:], ("grad", "bending_energy"), strict=True):
        for field, label, color in ((turn, "turn", BLUE), (bend, "bend", ORANGE)):
            amplitudes = np.linspace(0, 2, 21)
            values = [_on_fields(name, field, amplitude * field) for amplitude in amplitudes]
            panel.plot(amplitudes, values, color=color, label=label)
        _finish(panel, name, "amplitude")


def folding():
    """Where a field folds, the share of those pixels, and the distances of determinants."""
    true = _bend(6)
    strong = DisplacementField(*np.moveaxis(3.5 * true, -1, 0))
    _, panels = plt.subplots(1, 3, figsize=(9.5, 2.7), layout="constrained")
    panels[0].imshow(strong.warp(create_grid(SHAPE, grid_spacing=8, grid_thickness=1)), cmap="gray")
    folded = np.ma.masked_where(strong.jacobian > 0, np.ones(SHAPE))
    panels[0].imshow(folded, cmap="autumn", alpha=0.6)
    panels[0].set_title("folded pixels at amplitude 3.5", fontsize=10)
    panels[0].axis("off")
    amplitudes = np.linspace(0, 5, 41)
    values = [_on_fields("jacobian", true, amplitude * true) for amplitude in amplitudes]
    panels[1].plot(amplitudes, values, color=BLUE)
    _finish(panels[1], "jacobian", "amplitude")
    names = ("jacobian_distance", "vector_jacobian_distance", "vector_jacobian_distance_02")
    shares = np.linspace(-0.5, 2.5, 31)
    _curves(panels[2], names, shares, lambda name, share: _on_fields(name, true, share * true))
    _finish(panels[2], "distances of determinants", "predicted / true")


def inverses():
    """inverse_consistency of a field and a multiple of its inverse."""
    field = DisplacementField(*np.moveaxis(_bend(8), -1, 0))
    inverse = field.pseudo_inverse().deltas_xy
    shares = np.linspace(-0.5, 2.5, 31)
    values = [float(inverse_consistency(field.deltas_xy[None], share * inverse[None])) for share in shares]
    _, panel = plt.subplots(figsize=(4.6, 2.7), layout="constrained")
    panel.plot(shares, values, color=BLUE)
    _finish(panel, "inverse_consistency (px)", "predicted inverse / true inverse")


def image_losses_on_fields():
    """Some image losses on fields against the share of the truth that is predicted."""
    true = _bend(10)
    shares = np.linspace(-0.5, 2.5, 31)
    names = ("psnr", "ssim", "dice", "pearson", "ncc_9", "mind")
    _, panels = plt.subplots(2, 3, figsize=(9.5, 3.8), layout="constrained", sharex=True)
    for panel, name in zip(panels.flat, names, strict=True):
        panel.plot(shares, [_on_fields(name, true, share * true) for share in shares], color=BLUE)
        _finish(panel, name, "predicted / true" if panel in panels[1] else "")


def perceptual():
    """Write images/perceptual_losses.png: the perceptual losses against a shift."""
    _against_shift(*(f"perceptual_loss_{model}_{net}" for model in ("net-lin", "net") for net in ("alex", "vgg")))
    plt.savefig("images/perceptual_losses.png", dpi=110)


def _against_shift(*names):
    """One panel a loss, one curve a stain."""
    reference = _reference()
    _, panels = plt.subplots(1, len(names), figsize=(9.5, 2.7), layout="constrained")
    for i, (panel, name) in enumerate(zip(panels, names, strict=True)):
        loss = ALL_IMAGE_LOSSES[name]
        for stain, moving in _stains(reference).items():
            values = [float(loss(_batch(reference), _batch(_shifted(moving, shift)))) for shift in SHIFTS]
            panel.plot(SHIFTS, values, label=stain, **LINES[stain])
        _finish(panel, name.removeprefix("perceptual_loss_"), "shift (px)", legend=i == 0)


def _curves(panel, names, x, function):
    for name, color in zip(names, (BLUE, ORANGE, GREEN), strict=False):
        panel.plot(x, [function(name, value) for value in x], color=color, label=name)


def _finish(panel, title, xlabel, legend=True):
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(xlabel, fontsize=9)
    panel.tick_params(labelsize=8)
    panel.grid(color="#dddddd", lw=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    if legend and len(panel.get_legend_handles_labels()[1]) > 1:
        panel.legend(fontsize=8, frameon=False)


def _reference():
    return Atlas.load("phantom").reference_plane(5400, SHAPE)


def _stains(image):
    """The image as it is, with half the contrast, and with the tissue inverted; the background stays dark."""
    tissue = Atlas.load("phantom").annotation_plane(5400, SHAPE) > 0
    return {"same": image, "paler": 0.5 * image, "inverted": np.where(tissue, 0.9 - image, 0).astype("float32")}


def _shifted(image, shift):
    field = DisplacementField(np.full(SHAPE, shift, "float32"), np.zeros(SHAPE, "float32"))
    return field.warp(image.astype("float32"))


def _bend(amplitude):
    """A smooth field whose longest displacement is about `amplitude` px, (h, w, 2)."""
    return DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=amplitude, sigma=14, random_state=2).deltas_xy


def _outlined(labels):
    edges = np.zeros(labels.shape, dtype=bool)
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[1:] |= labels[1:] != labels[:-1]
    return np.where(edges, 1.0, 0.55 * _reference())


def _batch(image):
    return image[None, ..., None].astype("float32")


def _on_fields(name, true, predicted):
    return float(ALL_DVF_LOSSES[name](true[None], np.asarray(predicted, "float32")[None]))
