"""The pictures of the gallery and of the page on volumes, one function each; Sphinx's plot directive calls them."""

import cv2
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import center_of_mass

from atlalign import Atlas, DisplacementField, Plane, Registrar, Section, zoo
from atlalign.data import circles, rectangles
from atlalign.landmarks import field_from_landmarks
from atlalign.registration.locating import Locator
from atlalign.visualization import create_animation, create_grid, create_segmentation_image, generate_df_plots
from atlalign.volume import CoronalInterpolator, GappedVolume

BLUE, ORANGE = "#1f5fa8", "#d2601a"
SHAPE = (160, 228)


def field():
    """A grid warped, the arrows of the field, where it leaves the image, and both grids of points."""
    df = _example()
    _, panels = plt.subplots(2, 2, figsize=(9.5, 6.8), layout="constrained")
    panels[0, 0].imshow(df.warp(create_grid(df.shape, grid_spacing=12, grid_thickness=2)), cmap="gray")
    panels[0, 0].set(title="a grid, warped", xlabel="x (px)", ylabel="y (px)")
    df.plot_dvf(ds_f=8, ax=panels[0, 1])
    df.plot_outside(ax=panels[1, 0])
    df.plot_ranges(freq=8, kwargs_domain={"s": 3}, kwargs_range={"s": 3}, ax=panels[1, 1])
    for panel in panels.flat:
        panel.title.set_fontsize(10)


def approaches():
    """What each approach of `DisplacementField.generate` does to a grid."""
    grid = create_grid(SHAPE, grid_spacing=12, grid_thickness=2)
    edges = np.zeros(SHAPE, dtype=bool)
    edges[[40, 120], 40:190] = True
    nodes = np.array([[50, 60], [110, 170]])
    arguments = {
        "affine_simple": {"rotation": 0.15, "scale_x": 1.15, "shear": 0.1},
        "projective": {"matrix": [[1, 0.05, 0], [0, 1, 0], [1e-3, 5e-4, 1]]},
        "control_points": {
            "points": nodes,
            "values_delta_x": np.array([18, -18]),
            "values_delta_y": np.array([12, -12]),
            "interpolation_method": "rbf",
        },
        "edge_stretching": {"edge_mask": edges, "n_perturbation_points": 6, "radius_max": 16},
        "single_frequency": {"grid_spacing": 30, "radius_mean": 8},
        "microsoft": {"alpha": 300, "sigma": 10},
        "paper": {"kernel_sigma": 18, "v_min": -30000, "v_max": 30000},
        "diffeomorphic": {"amplitude": 10, "sigma": 15},
        "patch_shift": {"ul": (40, 60), "height": 70, "width": 100, "shift_size": 6},
    }
    drawn = {"edge_stretching", "single_frequency", "microsoft", "paper", "diffeomorphic"}
    _, panels = plt.subplots(3, 3, figsize=(9.5, 7.2), layout="constrained")
    for panel, (approach, kwargs) in zip(panels.flat, arguments.items(), strict=True):
        seed = {"random_state": 4} if approach in drawn else {}
        panel.imshow(DisplacementField.generate(SHAPE, approach, **kwargs, **seed).warp(grid), cmap="gray")
        panel.set_title(approach, fontsize=10)
        panel.axis("off")


def segmentation():
    """An annotation in colours, and warped."""
    annotation = Atlas.load("phantom").annotation_plane(5400, SHAPE)
    _, panels = plt.subplots(1, 2, figsize=(9.5, 3.5), layout="constrained")
    for panel, labels in zip(panels, (annotation, _example().warp_annotation(annotation)), strict=True):
        panel.imshow(create_segmentation_image(labels)[0])
        panel.axis("off")


def film():
    """Five frames of an animation."""
    df = _example()
    animation = create_animation(df, _reference(), frames_per_second=5, n_seconds=1)
    pictures = []
    for frame in animation.new_frame_seq():
        animation._draw_frame(frame)
        pictures.append(animation._fig.axes[0].images[0].get_array().copy())
    plt.close(animation._fig)
    animation._draw_was_started = True  # or matplotlib warns that nobody has seen it
    _, panels = plt.subplots(1, 5, figsize=(9.5, 1.6), layout="constrained")
    for i, (panel, picture) in enumerate(zip(panels, pictures, strict=True)):
        panel.imshow(picture, cmap="gray")
        panel.set_title(f"frame {i + 1}", fontsize=9)
        panel.axis("off")


def comparison():
    """A predicted field beside the true one."""
    true = _example()
    smooth = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=2, sigma=12, random_state=1)
    figure = generate_df_plots(true, (0.9 * true)(smooth), figsize=(9.5, 8.5))
    _show(figure)


def damage():
    """A section whole, torn, and without a part."""
    section = _reference()
    delta_x, delta_y, gap = zoo.tear_with_gap(section.shape, width=9, length=110, random_state=7)
    torn = np.where(gap, 0, DisplacementField(delta_x, delta_y).warp(section))
    lost = zoo.missing(section.shape, tissue=section > 0.05, radius=32, random_state=8)
    _, panels = plt.subplots(1, 3, figsize=(9.5, 2.5), layout="constrained")
    pictures = {"whole": section, "torn": torn, "a part is missing": np.where(lost, 0, section)}
    for panel, (title, picture) in zip(panels, pictures.items(), strict=True):
        panel.imshow(picture, cmap="gray")
        panel.set_title(title, fontsize=10)
        panel.axis("off")


def landmarks():
    """A section registered by its landmarks."""
    reference = _reference()
    true = _example()
    moving = true.pseudo_inverse().warp(reference)
    half = [[114, 22], [88, 30], [60, 42], [44, 66], [42, 92], [58, 118], [80, 130], [90, 86], [102, 106]]
    points = np.array(half + [[228 - x, y] for x, y in half[1:]])
    there = true.transform_points(points)
    field = field_from_landmarks(reference.shape, points, there)
    _, panels = plt.subplots(1, 3, figsize=(9.5, 2.5), layout="constrained")
    pictures = (
        (reference, points, "reference"),
        (moving, there, "moving"),
        (field.warp(moving), points, "registered"),
    )
    for panel, (picture, marks, title) in zip(panels, pictures, strict=True):
        panel.imshow(picture, cmap="gray")
        panel.scatter(*marks.T, s=14, c=ORANGE)
        panel.set_title(title, fontsize=10)
        panel.axis("off")


def registered():
    """A registration: reference, section before and after, displacement."""
    from atlalign.report import registration_figure

    figure = registration_figure(_registration())
    figure.set_size_inches(11, 2.1)
    _show(figure)


def report_pieces():
    """Pictures of a report, and the curve of a position search."""
    from atlalign.report.pictures import draw_checkerboard, draw_map, draw_with_outlines
    from atlalign.report.views import take_views

    registration = _registration()
    views, structures = take_views(registration), registration.atlas.structures
    scatter = cv2.resize(registration.disagreement.map_um, views.annotation.shape[::-1])
    displacement = draw_map(views.displacement_um, views.annotation, "viridis", views.folds)
    disagreement = draw_map(scatter, views.annotation, "magma")
    pictures = {
        "Before": draw_with_outlines(views.before, views.annotation, structures),
        "After": draw_with_outlines(views.after, views.annotation, structures),
        "Checkerboard": draw_checkerboard(views.registered, views.reference),
        f"Displacement, 0 to {displacement.most:.0f} um": displacement.picture,
        f"Disagreement, 0 to {disagreement.most:.0f} um": disagreement.picture,
    }
    _, panels = plt.subplots(2, 3, figsize=(9.5, 4.7), layout="constrained")
    for panel, (title, picture) in zip(panels.flat, pictures.items(), strict=False):
        panel.imshow(picture)
        panel.set_title(title, fontsize=10)
        panel.axis("off")
    search, panel = registration.search, panels[1, 2]
    panel.plot(search.positions_um / 1000, search.scores, color=BLUE, marker="o", ms=2.5, lw=1.2)
    panel.axvline(search.position_um / 1000, color=ORANGE)
    panel.set_title("Position search", fontsize=10)
    panel.set_xlabel("position (mm)", fontsize=9)
    panel.set_ylabel(search.score_name.replace(": ", ":\n"), fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def batch():
    """Pairs as a network is given them: what `batch.png` of a run folder shows."""
    from atlalign.simulate import simulate_pair
    from atlalign.visualization.pairs import PairPicture, draw_pairs

    atlas = Atlas.load("phantom:100")
    rows = []
    for seed in (3, 5):
        pair = simulate_pair(atlas, random_state=seed)
        moving = pair.img / 255
        label = DisplacementField.from_deltas_xy(pair.deltas_xy)
        reference = atlas.reference_plane(Plane.from_corners(pair.corners_um))
        rows.append(PairPicture(reference, moving, label.warp(moving.astype("float32")), pair.deltas_xy))
    figure = draw_pairs(rows)
    figure.set_size_inches(12.5, 3.1)
    _show(figure)


def evaluation():
    """Figures of an evaluation: Dice for each depth, and how errors are distributed."""
    import tempfile

    from atlalign.evaluation import baseline_methods, evaluate_methods
    from atlalign.evaluation.figures import draw_dice, draw_errors
    from atlalign.pairs import PairSource
    from atlalign.simulate import simulate_dataset

    with tempfile.TemporaryDirectory() as folder:
        simulate_dataset(f"{folder}/pairs.h5", "phantom:100", n=8, random_state=0)
        methods = {"centre": _by_centre, **baseline_methods(["features"])}
        found = evaluate_methods(methods, PairSource([f"{folder}/pairs.h5"]))
    _, panels = plt.subplots(1, 2, figsize=(9.5, 3.7), layout="constrained")
    for panel, draw in zip(panels, (draw_dice, draw_errors), strict=True):
        panel.imshow(_drawn(draw(found)))
        panel.axis("off")


def dummies():
    """Rectangles and circles."""
    images = np.concatenate([rectangles(3, (60, 90), 24, 36, random_state=0), circles(3, (60, 90), 16, random_state=0)])
    _, panels = plt.subplots(1, 6, figsize=(9.5, 1.2), layout="constrained")
    for panel, image in zip(panels, images, strict=True):
        panel.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
        panel.axis("off")


def volume():
    """A horizontal cut through sections of the phantom, and through the volume between them."""
    atlas = Atlas.load("phantom:100")
    whole = np.stack([atlas.reference_plane((i + 0.5) * 100) for i in range(atlas.shape[0])])
    numbers = np.arange(4, atlas.shape[0] - 4, 5)
    sections = whole[numbers].copy()
    height, width = whole.shape[1:]
    sections[10, :, width // 2 + 8 : width // 2 + 26] = np.nan  # torn
    gapped = np.full_like(whole, np.nan)
    gapped[numbers] = sections
    filled = CoronalInterpolator().interpolate(GappedVolume(numbers, sections), n_planes=len(whole))
    _, panels = plt.subplots(1, 3, figsize=(9.5, 4.6), layout="constrained", sharey=True)
    grey = plt.get_cmap("gray").with_extremes(bad="#41618f")
    cuts = {"the sections": gapped, "interpolated": filled, "the whole brain": whole}
    for panel, (title, stack) in zip(panels, cuts.items(), strict=True):
        panel.imshow(stack[:, height // 2], cmap=grey, vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("x (px)")
    panels[0].set_ylabel("plane")


def _reference():
    return Atlas.load("phantom").reference_plane(5400, SHAPE)


def _example():
    """A field that turns, shifts and bends a little."""
    smooth = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=9, sigma=26, random_state=2)
    return DisplacementField.generate(SHAPE, "affine_simple", rotation=0.08, translation_x=6)(smooth)


def _registration():
    """A simulated section, whose position is searched for, registered by the default networks."""
    atlas = Atlas.load("phantom:50")
    turn = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.1, scale_x=1.05)
    bend = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=5, sigma=18, random_state=3)
    moving = turn(bend).pseudo_inverse().warp(atlas.reference_plane(6300))
    section = Section(np.uint8(255 - 220 * moving), pixel_size_um=50, name="s1")
    located = Locator(atlas)(section)  # without a network, which takes several times as long
    registration = Registrar(atlas).register(section, position_um=located.position_um, variations=4)
    registration.search = located.search
    return registration


def _by_centre(reference, moving):
    y, x = np.subtract(center_of_mass(moving), center_of_mass(reference))
    return np.broadcast_to([x, y], (*reference.shape, 2))


def _show(figure):
    """Show a figure that is not one of pyplot's."""
    shown = plt.figure(figsize=figure.get_size_inches())
    ax = shown.add_axes((0, 0, 1, 1))
    ax.imshow(_drawn(figure))
    ax.axis("off")


def _drawn(figure):
    """Return a figure that is not one of pyplot's as an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(110)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
