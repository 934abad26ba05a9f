"""The figures of the pages on building blocks, datasets, inference and metrics, one function each.

Sphinx's plot directive calls them.
"""

import matplotlib.pyplot as plt
import numpy as np

from atlalign import Atlas, DisplacementField
from atlalign.visualization import create_grid

BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#d2601a", "#3d8b57", "#777777"
SHAPE = (80, 114)
GREYS = {"cmap": "gray", "vmin": 0, "vmax": 1}


def edits():
    """A field, and fields made from it, each on a grid."""
    df = _turn_and_bend()
    middle = np.zeros(SHAPE, dtype=bool)
    middle[20:60, 28:86] = True
    fields = {
        "df": df,
        "0.5 * df": 0.5 * df,
        "df.pseudo_inverse()": df.pseudo_inverse(),
        "df(df)": df(df),
        "df.adjust(3, 3, False)": df.adjust(3, 3, False),
        "df.mask(middle)": df.mask(middle),
        "df.anchor(0.5, 0.5)": df.anchor(0.5, 0.5),
        "4 * df, folds in red": 4 * df,
    }
    _, panels = plt.subplots(2, 4, figsize=(9.5, 3.9), layout="constrained")
    for panel, (title, field) in zip(panels.flat, fields.items(), strict=True):
        _show_grid(panel, field, title)


def integration():
    """A velocity taken as a displacement folds; integrated it does not, and is undone."""
    from atlalign.zoo import integrate_velocity, random_velocity

    velocity = random_velocity(SHAPE, amplitude=8, sigma=7, random_state=3)
    as_it_is, integrated, backward = (
        DisplacementField.from_deltas_xy(deltas)
        for deltas in (velocity, integrate_velocity(velocity), integrate_velocity(-velocity))
    )
    fields = {
        "the velocity as a displacement": as_it_is,
        "integrated": integrated,
        "backward": backward,
        "there and back": integrated(backward),
    }
    _, panels = plt.subplots(1, 4, figsize=(9.5, 2), layout="constrained")
    for panel, (title, field) in zip(panels, fields.items(), strict=True):
        _show_grid(panel, field, title)


def networks():
    """The global and the local network: for each layer its channels, and the size of its grid."""
    from atlalign.nn import supervised_global_model_factory, supervised_model_factory

    global_net, unet = supervised_global_model_factory(), supervised_model_factory().get_layer("unet")
    _, (upper, lower) = plt.subplots(2, 1, figsize=(9.5, 5.2), layout="constrained", height_ratios=(1, 1.25))
    blocks = [_Block("pair", 2, 320, BLUE)]
    for layer in global_net.layers:
        if layer.name.startswith("conv_"):
            blocks.append(_Block("", layer.filters, layer.output.shape[1], GREY))
    blocks += [_Block("flat", 24, 10, GREEN), _Block("40", 12, 10, GREEN), _Block("6", 6, 10, ORANGE)]
    _draw_blocks(upper, blocks)
    upper.set_title(
        "global: two convolutions a scale, then dense layers to the six numbers of an affine map", fontsize=10.5
    )
    names = [*(f"{name}_relu" for name in ("start_0", "down_0", "down_1", "down_2", "down_3", "middle_0"))]
    names += [f"up_{i}_{when}_relu" for i in range(4) for when in ("before", "after")] + ["end_0_relu", "end_1_relu"]
    shapes = [unet.get_layer(name).output.shape for name in names]
    blocks = [_Block("pair", 2, 320, BLUE), *(_Block("", shape[3], shape[1], GREY) for shape in shapes)]
    blocks.append(_Block("field", 2, 320, ORANGE))
    middles = _draw_blocks(lower, blocks)
    skips = {1: 14, 2: 12, 3: 10, 4: 8}  # block whose output is joined on the way up: block that takes both
    for number, (source, target) in enumerate(skips.items()):
        y = 1.16 - 0.16 * number
        xs = [middles[source], middles[source], middles[target], middles[target]]
        lower.plot(xs, [_height(blocks[source]) / 2, y, y, _height(blocks[target]) / 2], color=GREY, lw=0.8, ls=":")
    lower.set_title("local: a UNet; dotted, what the way down hands to the way up", fontsize=10.5)


def pair_in_looks():
    """One plane and one deformation in five looks: moving images, and what the label makes of them."""
    from atlalign.simulate import random_deformation
    from atlalign.simulate.looks import LOOKS

    plane = _tissue_plane()
    label, inverse = random_deformation(SHAPE, "both", random_state=9)
    _, panels = plt.subplots(2, 6, figsize=(9.5, 2.6), layout="constrained")
    _show(panels[0, 0], "the reference", plane.reference, **GREYS)
    _show_grid(panels[1, 0], label, "the label")
    for number, (look, (upper, lower)) in enumerate(zip(LOOKS, panels[:, 1:].T, strict=True)):
        image = look(plane, np.random.default_rng([4, number]))
        image = image / np.percentile(image[plane.mask], 99.5)
        _show(upper, look.__name__, inverse.warp(image), **GREYS)
        _show(lower, "", label.warp(inverse.warp(image)), **GREYS)
    panels[1, 3].set_title("registered by the label", fontsize=10)


def damages():
    """Sections that are damaged in several ways."""
    from atlalign.simulate.damage import random_damage

    plane = _tissue_plane()
    _, panels = plt.subplots(1, 7, figsize=(9.5, 1), layout="constrained")
    for panel, seed in zip(panels, (14, 10, 2, 39, 23, 18, 28), strict=True):
        damaged = random_damage(plane.reference, plane, 1, np.random.default_rng(seed))
        _show(panel, "", damaged.image, **GREYS)


def augmented_pairs():
    """A labelled pair and four that are made of it: other moving images, other labels, one registered image."""
    from atlalign.augmentations.pair import LabelledPair, Recipe
    from atlalign.simulate import random_deformation

    label, inverse = random_deformation(SHAPE, "local", random_state=1)
    img = np.round(255 * inverse.warp(_tissue_plane().reference)).astype(np.uint8)
    original = LabelledPair(img, label.deltas_xy, inverse.deltas_xy)
    rng = np.random.default_rng(12)
    pairs = [original, *(original.deform(Recipe(True, 0.5, 30, 5), rng) for _ in range(4))]
    _, panels = plt.subplots(3, 5, figsize=(9.5, 4.1), layout="constrained")
    for number, (pair, column) in enumerate(zip(pairs, panels.T, strict=True)):
        _show(column[0], f"augmented {number}" if number else "labelled", pair.img, cmap="gray")
        _show_grid(column[1], pair.label, "")
        _show(column[2], "", pair.label.warp(pair.img), cmap="gray")
    for panel, text in zip(panels[:, 0], ("moving", "label", "registered"), strict=True):
        panel.text(-0.03, 0.5, text, rotation=90, ha="right", va="center", fontsize=10, transform=panel.transAxes)


def _tissue_plane():
    from atlalign.simulate.tissue import TissuePlane

    atlas = Atlas.load("phantom:100")
    return TissuePlane(atlas.reference_plane(5400), atlas.annotation_plane(5400), atlas.structures)


def global_then_local():
    """The default networks on a section of the phantom: each step, and both orders of composition."""
    from atlalign.registration.predicting import predict_fields, predictors
    from atlalign.simulate import random_deformation

    atlas = Atlas.load("phantom:50")
    reference, annotation = atlas.reference_plane(5400), atlas.annotation_plane(5400)
    true, inverse = random_deformation(reference.shape, "both", random_state=0)
    moving = inverse.warp(reference)
    (_, f), (_, g) = predict_fields(moving, reference, predictors(None, None))
    nothing = DisplacementField.generate(reference.shape)
    fields = {"moving": nothing, "f: global": f, "f(g): global(local)": f(g), "g(f): the wrong order": g(f)}
    outlines = _outlines(atlas.structures.at_depth(annotation, 5))
    _, panels = plt.subplots(1, 4, figsize=(9.5, 2.1), layout="constrained")
    for panel, (title, field) in zip(panels, fields.items(), strict=True):
        error = np.linalg.norm(field.deltas_xy - true.deltas_xy, axis=-1)[annotation > 0].mean()
        panel.imshow(outlines, extent=(-0.5, 227.5, 159.5, -0.5), zorder=2)
        _show(panel, f"{title}\n{error:.1f} px off", field.warp(moving), **GREYS)


def _outlines(labels):
    """Borders between labels as an RGBA layer."""
    border = np.zeros(labels.shape, dtype=bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    layer = np.zeros((*labels.shape, 4))
    layer[border] = (1, 0.75, 0, 0.8)
    return layer


def right_and_wrong():
    """A section as it was placed, registered rightly and wrongly, with the numbers of each."""
    from atlalign import Section, register
    from atlalign.report.pictures import draw_checkerboard, draw_with_outlines
    from atlalign.report.views import take_views

    atlas = Atlas.load("phantom:50")
    bend = DisplacementField.generate(atlas.shape[1:], "diffeomorphic", amplitude=5, sigma=16, random_state=2)
    aside = DisplacementField.generate(atlas.shape[1:], "affine_simple", translation_x=6)
    section = Section(bend.pseudo_inverse().warp(atlas.reference_plane(6000)), pixel_size_um=50)

    def still(reference, moving):
        return np.zeros((*reference.shape, 2))

    placed = register(section, atlas, position_um=6000, local_model=still)
    right = placed.replacing("local", _moved_by(bend, placed.canvas.from_section))
    found = {"placed": placed, "right": right, "300 um to the side": right.with_step("aside", aside)}
    _, panels = plt.subplots(2, 3, figsize=(9.5, 5.3), layout="constrained")
    for (title, registration), (upper, lower) in zip(found.items(), panels.T, strict=True):
        views, quality = take_views(registration), registration.quality()
        names = ("tissue_overlap", "correlation", "structure_variance")
        overlap, alike, variance = (quality[f"{name}_after"]["value"] for name in names)
        text = f"overlap {overlap:.2f}, correlation {alike:.2f},\nvariance between structures {variance:.2f}"
        picture = draw_with_outlines(views.after, views.annotation, registration.atlas.structures)
        _show(upper, f"{title}\n{text}", picture)
        _show(lower, "", draw_checkerboard(views.registered, views.reference))


def _moved_by(field, matrix):
    """Return a field whose input image has been moved by an affine map (2, 3), from old pixels to new ones."""
    positions = np.stack(field.transformation, axis=-1) @ matrix[:, :2].T + matrix[:, 2]
    return DisplacementField.from_transform(positions[..., 0], positions[..., 1])


def against_a_shift():
    """Metrics of two images, and of two annotations, against how far they are shifted."""
    from atlalign.metrics import cross_correlation_img, dice_per_depth, mi_img, mse_img, psnr_img, ssmi_img

    atlas = Atlas.load("phantom:100")
    reference, annotation = atlas.reference_plane(5400), atlas.annotation_plane(5400)
    inverted = np.where(annotation > 0, 0.9 - reference, 0).astype("float32")
    stains = {
        "same": (reference, BLUE, "-"),
        "paler": (0.5 * reference, GREEN, "--"),
        "inverted": (inverted, ORANGE, "-"),
    }
    shifts = np.arange(-10, 11)
    fields = [DisplacementField.generate(SHAPE, "affine_simple", translation_x=shift) for shift in shifts]
    names = {
        "mse_img": mse_img,
        "psnr_img (dB)": psnr_img,
        "ssmi_img": ssmi_img,
        "cross_correlation_img": cross_correlation_img,
        "mi_img (nats)": mi_img,
    }
    _, panels = plt.subplots(2, 3, figsize=(9.5, 4.3), layout="constrained", sharex=True)
    for panel, (name, metric) in zip(panels.flat, names.items(), strict=False):
        for stain, (moving, color, style) in stains.items():
            values = [metric(reference, field.warp(moving)) for field in fields]
            panel.plot(shifts, values, color=color, ls=style, label=stain)
        _finish(panel, name, "shift (px)" if panel in panels[1] else "")
    panels[1, 0].legend(fontsize=8, frameon=False, loc="lower center")
    depths = (0, 4, 8)
    scores = [
        dice_per_depth(annotation, field.warp_annotation(annotation), atlas.structures, depths) for field in fields
    ]
    for depth, values, color in zip(depths, np.transpose(scores), (BLUE, GREEN, ORANGE), strict=True):
        panels[1, 2].plot(shifts, values, color=color, label=f"depth {depth}")
    panels[1, 2].set_ylim(0, 1.3)
    panels[1, 2].legend(fontsize=8, frameon=False, loc="upper center", ncols=3, handlelength=1, columnspacing=1)
    _finish(panels[1, 2], "dice_per_depth", "shift (px)")


def alike_is_not_right():
    """A field that makes two images alike, and is wrong nearly everywhere."""
    from atlalign.metrics import mse_img, percent_nonpositive_jacobian, ssmi_img, vector_distance_combined

    reference = _reference()
    true = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=3, sigma=14, random_state=2)
    moving = true.pseudo_inverse().warp(reference)
    greedy = _nearest_greys(moving, reference, 5)
    fields = {"not registered": DisplacementField.generate(SHAPE), "true": true, "the nearest grey": greedy}
    _, panels = plt.subplots(2, 3, figsize=(9.5, 4.9), layout="constrained")
    for (title, field), (upper, lower) in zip(fields.items(), panels.T, strict=True):
        registered = field.warp(moving)
        distance, _ = vector_distance_combined([true], [field])
        alike = f"mse {1000 * mse_img(reference, registered):.2f} / 1000,  ssim {ssmi_img(reference, registered):.2f}"
        right = f"{distance:.1f} px off,  {percent_nonpositive_jacobian(field):.0f} % folded"
        _show(upper, f"{title}\n{alike}", registered, **GREYS)
        _show(lower, right, field.norm, cmap="viridis", vmin=0, vmax=7)


def _nearest_greys(moving, reference, radius):
    """Return the field that takes each pixel from where, within a radius, the moving image has its grey."""
    steps = range(-radius, radius + 1)
    offsets = np.array([(x, y) for y in steps for x in steps])
    padded = np.pad(moving, radius)
    height, width = moving.shape
    shifted = [padded[radius + y : radius + y + height, radius + x : radius + x + width] for x, y in offsets]
    # of two as near in grey the nearer in place
    costs = np.abs(np.stack(shifted) - reference) + 1e-4 * np.hypot(*offsets.T)[:, None, None]
    return DisplacementField.from_deltas_xy(offsets[costs.argmin(axis=0)])


def _finish(panel, title, xlabel):
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(xlabel, fontsize=9)
    panel.tick_params(labelsize=8)
    panel.grid(color="#dddddd", lw=0.6)
    panel.spines[["top", "right"]].set_visible(False)


class _Block:
    def __init__(self, text, channels, rows, color):
        self.text, self.channels, self.rows, self.color = text, channels, rows, color


def _height(block):
    return 0.28 + 0.32 * np.log2(block.rows / 10)


def _draw_blocks(panel, blocks):
    """Draw blocks side by side; return the middles of their widths."""
    x, middles = 0.0, []
    for block in blocks:
        width, height = 0.08 + 0.012 * block.channels, _height(block)
        panel.add_patch(plt.Rectangle((x, -height / 2), width, height, fc=block.color, alpha=0.35, ec=block.color))
        middles.append(x + width / 2)
        text = block.text or str(block.channels)
        panel.text(middles[-1], -height / 2 - 0.06, text, ha="center", va="top", fontsize=9)
        if not block.text:
            panel.text(middles[-1], 0, f"{block.rows} px", rotation=90, ha="center", va="center", fontsize=8)
        x += width + 0.28
    panel.set(xlim=(-0.1, x), ylim=(-1.25, 1.25))
    panel.axis("off")
    return middles


def _reference(position_um=5400, shape=SHAPE):
    return Atlas.load("phantom").reference_plane(position_um, shape)


def _turn_and_bend():
    turn = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.12, scale_x=1.1)
    return turn(DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=5, sigma=11, random_state=2))


def _show_grid(panel, field, title):
    """Show a grid, warped by a field, with the pixels where it folds in red."""
    panel.imshow(field.warp(create_grid(field.shape, grid_spacing=8, grid_thickness=1)), cmap="gray")
    folded = np.ma.masked_where(field.jacobian > 0, np.ones(field.shape))
    panel.imshow(folded, cmap="autumn", alpha=0.8)
    panel.set_title(title, fontsize=9.5)
    panel.axis("off")


def _show(panel, title, picture, **how):
    panel.imshow(picture, **how)
    panel.set_title(title, fontsize=10)
    panel.axis("off")
