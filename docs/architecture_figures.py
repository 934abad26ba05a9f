"""The drawings of the page on the architecture, one function each; Sphinx's plot directive calls them.

The boxes of `packages` have their places in ROWS. Its arrows are read from the source: a package that has no place, or
imports one that does not stand below it, stops the build.
"""

import ast
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

import atlalign

GREY, ORANGE, BLUE = "#777777", "#d2601a", "#1f5fa8"

COMMANDS, SECTIONS, NETWORKS = "#d9d9d9", "#cfe0f3", "#f6d5bd"
PAIRS, MEASURES, ATLASES, FIELDS = "#d3ead6", "#f3e6b8", "#dccfe8", "#f0f0f0"
THEMES = {
    "commands and pages": COMMANDS,
    "sections": SECTIONS,
    "networks": NETWORKS,
    "labelled pairs": PAIRS,
    "measures": MEASURES,
    "atlases": ATLASES,
    "fields": FIELDS,
}

# From top to bottom: name, x of its middle, theme. An import goes down, as the contracts in pyproject.toml have it.
ROWS = (
    (("cli", 50, COMMANDS),),
    (("label", 22, COMMANDS), ("demo", 64, COMMANDS)),
    (("report", 39, COMMANDS), ("training", 70, NETWORKS)),
    (("export", 18, SECTIONS),),
    (
        ("registration", 32, SECTIONS),
        ("nn", 50, NETWORKS),
        ("evaluation", 66, MEASURES),
        ("visualization", 85, FIELDS),
    ),
    (("quint", 10, PAIRS), ("ml_utils", 50, NETWORKS)),
    (("pairs", 34, PAIRS), ("run_folder", 66, NETWORKS), ("weights", 82, NETWORKS)),
    (
        ("simulate", 22, PAIRS),
        ("augmentations", 40, PAIRS),
        ("metrics", 55, MEASURES),
        ("non_ml", 67, FIELDS),
        ("landmarks", 79.5, FIELDS),
        ("volume", 92, FIELDS),
    ),
    (("section", 22, SECTIONS), ("_jobs", 34, PAIRS), ("data", 51, PAIRS), ("base", 70, FIELDS)),
    (
        ("plane_io", 7, ATLASES),
        ("plane_slopes", 22, ATLASES),
        ("dataset", 40, PAIRS),
        ("atlas", 54, ATLASES),
        ("zoo", 70, FIELDS),
    ),
    (("plane", 34, ATLASES), ("_field", 70, FIELDS)),
)
# Everything may use these; arrows to them would hide all others.
GROUND = ("_parts", "_workers", "_files", "_damage", "_cache", "_progress", "errors", "utils")
# Imports that go up; the page says for what.
UPWARDS = {
    ("metrics", "ml_utils"),
    ("ml_utils", "evaluation"),
    ("ml_utils", "visualization"),
    ("pairs", "ml_utils"),
    ("registration", "export"),
}


def packages():
    """The packages of atlalign, and which of them imports which, without arrows that follow from others."""
    imports, with_keras = read_imports()
    down = _checked(imports)
    figure, panel = plt.subplots(figsize=(9.5, 8.6))
    places = {name: (x, -row) for row, boxes in enumerate(ROWS) for name, x, _ in boxes}
    for source, targets in reduced(down).items():
        for target in targets:
            _draw_arrow(panel, places, source, target)
    for source, target in UPWARDS:
        (x, y), (x_end, y_end) = places[source], places[target]
        how = {"arrowstyle": "-|>", "color": ORANGE, "lw": 1, "ls": (0, (4, 3)), "shrinkA": 0, "shrinkB": 0}
        how["connectionstyle"] = f"arc3,rad={0.2 if x_end >= x else -0.2}"
        panel.annotate("", (x_end, y_end - 0.23), (x, y + 0.23), arrowprops=how)
    for boxes in ROWS:
        for name, _, color in boxes:
            _draw_box(panel, name, *places[name], color, ORANGE if name in with_keras else GREY)
    bottom = -len(ROWS)
    panel.add_patch(_rounded(50, bottom, 99, 0.62, "white", GREY))
    panel.text(50, bottom, "used by all:  " + "   ".join(GROUND), ha="center", va="center", fontsize=10)
    keys = [*((theme, color, GREY) for theme, color in THEMES.items()), ("its modules import Keras", "white", ORANGE)]
    for number, (text, color, edge) in enumerate(keys):
        y = 0.08 - 0.3 * number
        panel.add_patch(_rounded(79, y, 2.4, 0.2, color, edge))
        panel.text(81.2, y, text, va="center", fontsize=9.5)
    y = 0.08 - 0.3 * len(keys)
    panel.plot([77.8, 80.2], [y, y], color=ORANGE, lw=1, ls=(0, (4, 3)))
    panel.text(81.2, y, "goes up", va="center", fontsize=9.5)
    panel.set(xlim=(-0.6, 100.6), ylim=(bottom - 0.42, 0.4))
    panel.axis("off")
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)


def life_of_a_section():
    """What becomes of a section, from the image to its labels."""
    from atlalign import Atlas, DisplacementField, Section, register
    from atlalign.simulate import random_deformation

    atlas = Atlas.load("phantom:50")
    shape = atlas.shape[1:]
    field, inverse = random_deformation(shape, "both", random_state=9)
    section = Section(_scanned(255 - 255 * inverse.warp(atlas.reference_plane(5400))), pixel_size_um=50, rotate=180)

    def still(reference, moving):
        return np.zeros((*reference.shape, 2))

    canvas = register(section, atlas, position_um=5400, local_model=still).canvas
    # The known deformation, as seen from the canvas: what the two networks are to find between them.
    x, y = field.transformation
    true = canvas.section_to_canvas(np.stack([_FIRST_PIXEL[0] - x, _FIRST_PIXEL[1] - y], axis=-1))
    affine = _nearest_affine(true)
    linear = DisplacementField.generate(shape, "affine", matrix=affine)
    local = (true - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T - np.stack(np.indices(shape)[::-1], axis=-1)
    registration = register(
        section,
        atlas,
        position_um=5400,
        global_model=lambda reference, moving: linear.deltas_xy,
        local_model=lambda reference, moving: local,
    )
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
    labels = atlas.structures.colors(registration.labels())
    pictures = (
        ("1  the image", section.image, {"cmap": "gray"}),
        ("2  on the canvas", registration.moving, grey),
        ("3  the plane of the atlas", registration.reference, grey),
        ("4  after the global step", linear.warp(registration.moving), grey),
        ("5  after the local step", registration.field.warp(registration.moving), grey),
        ("6  the labels of the image", labels, {}),
    )
    _, panels = plt.subplots(2, 3, figsize=(9.5, 4.7), layout="constrained")
    for panel, (title, picture, how) in zip(panels.flat, pictures, strict=True):
        _show(panel, title, picture, **how)


def life_of_a_pair():
    """What becomes of a training pair, from a plane of the atlas to what a network is given."""
    from atlalign import Atlas
    from atlalign.ml_utils.augmentation import augment, augmenter_1
    from atlalign.simulate import random_appearance, random_deformation
    from atlalign.visualization import create_grid

    atlas = Atlas.load("phantom:50")
    reference, annotation = atlas.reference_plane(5400), atlas.annotation_plane(5400)
    stained = random_appearance(reference, annotation, atlas.structures, random_state=3)
    field, inverse = random_deformation(reference.shape, "both", random_state=9)
    moving = inverse.warp(stained)
    augmented = augment(augmenter_1(), moving, random_state=1)
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
    pictures = (
        ("1  a plane: the reference", reference, grey),
        ("2  a look", stained, grey),
        ("3  deformed: img", moving, grey),
        ("4  deltas_xy, on a grid", field.warp(create_grid(reference.shape, 16, 2)), {"cmap": "gray"}),
        ("5  augmented: X[..., 1]", augmented, grey),
        ("6  registered: a target", field.warp(augmented), grey),
    )
    _, panels = plt.subplots(2, 3, figsize=(9.5, 4.7), layout="constrained")
    for panel, (title, picture, how) in zip(panels.flat, pictures, strict=True):
        _show(panel, title, picture, **how)


def read_imports():
    """Return which package imports which, and those that import Keras as soon as they are imported.

    Returns
    -------
    imports : dict of str to set of str
    with_keras : set of str
    """
    root = Path(atlalign.__file__).parent
    names = {path.stem for path in root.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    names -= {"__init__", "__main__"}  # the public names, and `python -m atlalign`
    imports, with_keras = defaultdict(set), set()
    for path in root.rglob("*.py"):
        package = path.relative_to(root).parts[0].removesuffix(".py")
        if package not in names:
            continue
        for module, at_once in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            first, *rest = module.split(".")
            if first == "keras" and at_once:
                with_keras.add(package)
            target = rest[0] if rest else ""
            if first == "atlalign" and target in names and target not in (package, *GROUND):
                imports[package].add(target)
    return {name: imports[name] for name in names - {*GROUND}}, with_keras


def reduced(graph):
    """Leave out of a graph without cycles every arrow that a path along others stands for."""
    beyond: dict[str, set] = {}

    def reached(name):
        if name not in beyond:
            beyond[name] = set(graph.get(name, ())).union(*(reached(other) for other in graph.get(name, ())))
        return beyond[name]

    return {
        name: {t for t in found if not any(t in reached(other) for other in found)} for name, found in graph.items()
    }


def _imported(tree):
    """Yield the modules that a file imports, and whether at once; not those that only its types need."""
    pending = [(tree, True)]
    while pending:
        node, at_once = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # "from atlalign import demo" and "from atlalign.demo import run_demo" both begin with atlalign.demo
            yield from ((f"{node.module}.{alias.name}", at_once) for alias in node.names)
        at_once = at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, at_once) for child in ast.iter_child_nodes(node)]


def _checked(imports):
    """Return the imports that go down, having seen that there are no others than those of UPWARDS."""
    rows = {name: row for row, boxes in enumerate(ROWS) for name, _, _ in boxes}
    if rows.keys() != imports.keys():
        raise ValueError(f"ROWS must have a place for each package. Received: {sorted(rows.keys() ^ imports.keys())}.")
    arrows = {(source, target) for source, targets in imports.items() for target in targets}
    upwards = {(source, target) for source, target in arrows if rows[source] >= rows[target]}
    if upwards != UPWARDS:
        raise ValueError(f"An import must go down, but for UPWARDS. Received: {sorted(upwards ^ UPWARDS)}.")
    return {name: {target for source, target in arrows - upwards if source == name} for name in rows}


def _draw_box(panel, name, x, y, color, edge):
    panel.add_patch(_rounded(x, y, 2 * _half(name), 0.46, color, edge))
    panel.text(x, y - 0.015, name, ha="center", va="center", fontsize=11)


def _half(name):
    """Half the width of a box."""
    return 0.5 * len(name) + 1.3


def _rounded(x, y, width, height, color, edge):
    style = "round,pad=0,rounding_size=0.12"
    width_of_line = 2 if edge == ORANGE else 0.9
    corner = (x - width / 2, y - height / 2)
    return FancyBboxPatch(
        corner, width, height, style, mutation_aspect=0.1, fc=color, ec=edge, lw=width_of_line, zorder=3
    )


def _draw_arrow(panel, places, source, target):
    """Draw an arrow that passes the rows between its ends through gaps between their boxes."""
    (x, y), (x_end, y_end) = places[source], places[target]
    points = [(x, y - 0.22)]
    for row in range(int(-y) + 1, int(-y_end)):
        share = (row + y) / (y - y_end)
        points += [(_gap(row, x + share * (x_end - x)), -row + side) for side in (0.28, -0.28)]
    points.append((x_end, y_end + 0.22))
    xs, ys = zip(*points, strict=True)
    panel.plot(xs[:-1], ys[:-1], color="#999999", lw=0.9, solid_joinstyle="round", zorder=1)
    panel.annotate(
        "",
        points[-1],
        points[-2],
        arrowprops={"arrowstyle": "-|>", "color": "#999999", "lw": 0.9, "shrinkA": 0, "shrinkB": 0},
    )


def _gap(row, x):
    """Return the place nearest to x where a row has no box."""
    taken = [(middle - _half(name) - 0.9, middle + _half(name) + 0.9) for name, middle, _ in ROWS[row]]
    edges = [x, *(edge for box in taken for edge in box)]
    free = [edge for edge in edges if not any(low < edge < high for low, high in taken)]
    return min(free, key=lambda edge: abs(edge - x))


_FIRST_PIXEL = (287, 199)  # x and y of it in what `_scanned` makes


def _scanned(image):
    """Return a section as a microscope gives it: in a larger image, and upside down."""
    return np.pad(image.astype(np.uint8), ((19, 40), (10, 60)), constant_values=255)[::-1, ::-1]


def _nearest_affine(positions):
    """Return the affine map (2, 3) from pixels that is nearest to a map (h, w, 2)."""
    y, x = np.indices(positions.shape[:2]).reshape(2, -1)
    return np.linalg.lstsq(np.stack([x, y, np.ones(x.size)], axis=-1), positions.reshape(-1, 2), rcond=None)[0].T


def _show(panel, title, picture, **how):
    panel.imshow(picture, **how)
    panel.set_title(title, fontsize=10.5)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_color("#bbbbbb")
