"""The drawings of the documentation, one function each; Sphinx's plot directive calls them."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, ConnectionPatch, Rectangle

BLUE, ORANGE, GREY = "#1f5fa8", "#d2601a", "#777777"


def axes():
    """Pixels and points of an image; axes and voxels of an atlas."""
    figure, (image, atlas) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(1.15, 1))
    _pixel_grid(image, 4, 6)
    image.add_patch(Rectangle((2.5, 0.5), 1, 1, color=BLUE, alpha=0.25, lw=0))
    image.plot(0, 0, "o", color=ORANGE)
    image.annotate("centre of the first pixel: (0, 0)", (0, 0), (0.6, -1), color=ORANGE, arrowprops=_line(ORANGE))
    image.plot(3, 1, "o", color=BLUE)
    image.annotate("the point (3, 1)\nis in img[1, 3]", (3, 1), (3.6, 4.5), color=BLUE, arrowprops=_line(BLUE))
    image.plot(-0.5, -0.5, "s", color=GREY, ms=5)
    image.annotate("outer corner:\n(-0.5, -0.5)", (-0.5, -0.5), (-2.3, -1), color=GREY, arrowprops=_line(GREY))
    _arrow(image, (-0.9, 0.2), (-0.9, 2.8), "black")
    image.text(-1.05, 1.5, "y", ha="right", va="center")
    _arrow(image, (-0.3, 3.9), (2.3, 3.9), "black")
    image.text(1, 4.05, "x", ha="center", va="top")
    image.set_title("points of an image: (x, y) in px", pad=6)
    image.set(xlim=(-2.4, 6.2), ylim=(4.8, -1.5))

    origin, ml, dv, ap = np.array([0.0, 0.0]), np.array([4.0, 0.0]), np.array([0.0, -2.7]), np.array([1.5, 1.15])
    corners = [origin, ml, ml + dv, dv]
    for start, end in zip(corners, [*corners[1:], origin], strict=True):
        atlas.plot(*zip(start, end, strict=True), color=GREY, lw=1)
        atlas.plot(*zip(start + ap, end + ap, strict=True), color=GREY, lw=0.7, ls=":")
        atlas.plot(*zip(start, start + ap, strict=True), color=GREY, lw=0.7, ls=":")
    for vector in (ml, dv, ap):
        _arrow(atlas, origin, vector, BLUE, lw=1.8)
    atlas.text(2.3, 0.12, "ml: right to left", color=BLUE, ha="center")
    atlas.text(-0.15, -1.4, "dv: top\nto bottom", color=BLUE, ha="right", va="center")
    atlas.text(1.5, 1.3, "ap: front to back", color=BLUE, ha="center")
    atlas.plot(0, 0, "o", color=ORANGE)
    atlas.text(-0.2, 0.15, "(0, 0, 0) um: outer\ncorner of the\nfirst voxel", color=ORANGE, ha="right")
    atlas.text(2, -3.2, "voxel = floor(um / spacing)", ha="center")
    atlas.set_title("points of an atlas: (ap, dv, ml) in um", pad=6)
    atlas.set(xlim=(-2.5, 5.6), ylim=(-3.3, 1.7), aspect="equal")
    for panel in (image, atlas):
        panel.axis("off")
    figure.tight_layout()


def pull_back():
    """A field lives on the output's grid and says where each output pixel reads."""
    figure, (moving, registered) = plt.subplots(1, 2, figsize=(9.5, 3.9))
    there, here = np.array([4.0, 1.0]), np.array([2.0, 3.0])
    for panel, centre, title in (
        (moving, there, "moving image (input)"),
        (registered, here, "registered image (output)"),
    ):
        _pixel_grid(panel, 6, 8)
        panel.add_patch(Circle(centre + 0.5, 1.3, color=GREY, alpha=0.35, lw=0))
        panel.set(title=title, xlim=(-0.7, 8), ylim=(5.7, -0.7))
        panel.axis("off")
    registered.plot(*here, "o", color=ORANGE)
    registered.text(here[0] + 0.2, here[1] - 0.25, "p", color=ORANGE, fontsize=12)
    moving.plot(*here, "o", mfc="none", color=ORANGE)
    moving.text(here[0] - 0.2, here[1] + 0.35, "p", color=ORANGE, ha="right", fontsize=12)
    _arrow(moving, here, there, BLUE, lw=2)
    moving.text(2.75, 1.55, "delta(p)", color=BLUE, ha="right")
    moving.plot(*there, "o", color=BLUE)
    moving.text(there[0] + 0.25, there[1] + 0.45, "p + delta(p)", color=BLUE)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.9, bottom=0.2, wspace=0.25)
    value = ConnectionPatch(
        there,
        here,
        moving.transData,
        registered.transData,
        arrowstyle="-|>",
        color=ORANGE,
        lw=1.6,
        connectionstyle="arc3,rad=-0.25",
        shrinkA=6,
        shrinkB=6,
        mutation_scale=14,
    )
    figure.add_artist(value)
    value_rule = "a value comes from the moving image: registered(p) = moving(p + delta(p))"
    point_rule = "a point goes to the moving image: p on the registered grid lies at p + delta(p) there"
    figure.text(0.5, 0.11, value_rule, color=ORANGE, ha="center")
    figure.text(0.5, 0.03, point_rule, color=BLUE, ha="center")


def composition():
    """The global field warps first, and the composed field does both at once."""
    from atlalign import Atlas, DisplacementField
    from atlalign.simulate import random_deformation

    reference = Atlas.load("phantom").reference_plane(5400, (160, 228))
    f = DisplacementField.generate(reference.shape, "affine_simple", rotation=0.3, scale_x=1.1, translation_x=9)
    g, _ = random_deformation(reference.shape, "local", random_state=3)
    moving = f(g).pseudo_inverse().warp(reference)
    figure, panels = plt.subplots(1, 3, figsize=(9.5, 3.3))
    pictures = (moving, f.warp(moving), f(g).warp(moving))
    titles = ("moving", "after the global step f", "registered: after the local step g")
    for panel, picture, title in zip(panels, pictures, titles, strict=True):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
        panel.set_title(title, fontsize=10)
        panel.axis("off")
    figure.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.22, wspace=0.08)
    arrows = ((0, 0.75, 1, 0.25, -0.08, ORANGE), (1, 0.75, 2, 0.25, -0.08, ORANGE), (0, 0.5, 2, 0.5, -0.3, BLUE))
    for first, start, last, end, down, color in arrows:
        figure.add_artist(
            ConnectionPatch(
                (start, down),
                (end, down),
                panels[first].transAxes,
                panels[last].transAxes,
                arrowstyle="-|>",
                color=color,
                lw=1.6,
                mutation_scale=14,
            )
        )
    for panel, x, y, text, color in (
        (0, 1.04, -0.12, "f.warp", ORANGE),
        (1, 1.04, -0.12, "g.warp", ORANGE),
        (1, 0.5, -0.34, "f(g).warp: both at once, interpolated once", BLUE),
    ):
        panels[panel].text(x, y, text, color=color, ha="center", va="top", transform=panels[panel].transAxes)


def left_and_right():
    """An atlas slice, seen from the front."""
    from atlalign import Atlas

    figure, panel = plt.subplots(figsize=(7.5, 4.3))
    height, width = 160, 228
    panel.imshow(Atlas.load("phantom").reference_plane(6000, (height, width)), cmap="gray", vmin=0, vmax=1)
    panel.axvline(width / 2 - 0.5, color="white", lw=0.8, ls=":")
    for x, y, text, how in (
        (4, 154, "animal's RIGHT\n(hemisphere 2)", {"va": "bottom"}),
        (223, 154, "animal's LEFT\n(hemisphere 1)", {"va": "bottom", "ha": "right"}),
        (114, 5, "dorsal", {"va": "top", "ha": "center"}),
        (114, 155, "ventral", {"ha": "center"}),
    ):
        panel.text(x, y, text, color="white", fontsize=9, **how)
    _arrow(panel, (0, -6), (62, -6), BLUE)
    _arrow(panel, (-6, 0), (-6, 62), BLUE)
    panel.text(66, -6, "ml", color=BLUE, va="center")
    panel.text(-6, 66, "dv", color=BLUE, ha="center", va="top")
    panel.plot(-6, -6, "o", color=BLUE, mfc="white", ms=9, clip_on=False)
    panel.plot(-6, -6, "x", color=BLUE, ms=5, clip_on=False)
    panel.text(-12, -6, "ap: into the page,\nto the back", color=BLUE, va="center", ha="right")
    panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    panel.axis("off")
    figure.subplots_adjust(left=0.21, right=0.99, top=0.9, bottom=0.02)


def registered_phantom():
    """What a registration should look like: the known field stands where trained networks will."""
    from atlalign import Atlas, Section, register
    from atlalign.simulate import simulate_pair

    atlas = Atlas.load("phantom:50")
    pair = simulate_pair(atlas, random_state=6)
    section = Section(255 - pair.img)
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.6))
    for panel, share, title in zip(panels, (0, 1), ("before", "after"), strict=True):
        registration = register(
            section,
            atlas,
            plane=atlas.plane(pair.p),
            local_model=lambda reference, moving, share=share: share * pair.deltas_xy,
        )
        panel.imshow(registration.overlay())
        panel.set_title(title)
        panel.axis("off")
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01, wspace=0.03)


def _pixel_grid(panel, height, width):
    for x in range(width + 1):
        panel.plot([x - 0.5, x - 0.5], [-0.5, height - 0.5], color="#bbbbbb", lw=0.8)
    for y in range(height + 1):
        panel.plot([-0.5, width - 0.5], [y - 0.5, y - 0.5], color="#bbbbbb", lw=0.8)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    panel.plot(columns.ravel(), rows.ravel(), ".", color="#bbbbbb", ms=3)
    panel.set_aspect("equal")


def _arrow(panel, start, end, color, lw=1.5):
    panel.annotate(
        "",
        end,
        start,
        annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": color, "lw": lw, "shrinkA": 0, "shrinkB": 2},
    )


def _line(color):
    return {"arrowstyle": "-", "color": color, "lw": 0.8, "shrinkB": 4}
