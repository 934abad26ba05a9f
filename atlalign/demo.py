"""The whole product on a phantom: simulate, train both networks, register new sections, report."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import imageio.v3 as iio
import numpy as np

from atlalign._files import atomic_path
from atlalign.atlas import Atlas
from atlalign.report import registration_figure, write_page
from atlalign.simulate import simulate_dataset, simulate_pair
from atlalign.training import TrainingConfig, fit

_GRID_UM = 100  # coarse, to be quick
_SECTION_UM = 50  # size of the pixels of the sections that are registered


@dataclass(frozen=True)
class DemoSize:
    """How much the demo does.

    Parameters
    ----------
    n_pairs : int
        Simulated pairs for each network.
    epochs_global, epochs_local : int
        Passes over them.
    n_sections : int
        New sections to register.
    """

    n_pairs: int = 1000
    epochs_global: int = 12
    epochs_local: int = 8
    n_sections: int = 4


def run_demo(out, size: DemoSize | None = None, seed: int = 0, workers: int = 2, watch=None) -> dict:
    """Build everything from nothing and register sections that the networks have not seen.

    Parameters
    ----------
    out : path-like
        Folder to fill; must not exist or be empty.
    size : DemoSize, optional
        How much to do.
    seed : int
        Start of all randomness.
    workers : int
        Processes that simulate.
    watch : object, optional
        Shows progress: `say(text)`, `track(items, description, **how)`, `training()` (a Keras callback).

    Returns
    -------
    dict
        ``error_before_px`` and ``error_after_px``: mean distance in tissue, in px of 100 um, between where the
        structures of the atlas are in the sections and where they were put without and with the networks;
        ``sections``: the same for each.

    Raises
    ------
    FileExistsError
        If the folder holds something.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"The demo needs a new or empty folder. Received: {out}. Choose another name.")
    size, watch = size or DemoSize(), watch or Silent()
    out.mkdir(parents=True, exist_ok=True)
    atlas = Atlas.load(f"phantom:{_GRID_UM}")
    models = _train(out, atlas, size, seed, workers, watch)
    watch.say("Registering new sections")
    errors, pictures = _register(out, atlas, size, seed, models)

    summary = {
        "error_before_px": float(np.mean([error["before_px"] for error in errors])),
        "error_after_px": float(np.mean([error["after_px"] for error in errors])),
        "sections": errors,
    }
    with atomic_path(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2), encoding="utf-8")
    text = (
        f"Mean error in tissue: {summary['error_before_px']:.2f} px before, {summary['error_after_px']:.2f} px "
        f"after (1 px = {_GRID_UM} um), over {len(errors)} simulated sections of the phantom that the networks had "
        "not seen. Before: each section placed on the plane by the extent of its tissue."
    )
    curves = {f"Training of the {kind} network": f"{kind}/curves.png" for kind in ("global", "local")}
    write_page(out / "report.html", "atlalign demo", [text], {**pictures, **curves})
    return summary


class Silent:
    """Shows no progress."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def track(self, items, description: str, **how):
        """Return the items."""
        return items

    def training(self) -> list:
        """Return no callbacks."""
        return []


def _train(out: Path, atlas: Atlas, size: DemoSize, seed: int, workers: int, watch) -> dict[str, Path]:
    # The global network meets everything and answers with the best affine; the local one, what that leaves.
    simulations: tuple[tuple[Literal["global", "local"], str, int], ...] = (
        ("global", "both", size.epochs_global),
        ("local", "local", size.epochs_local),
    )
    models = {}
    for number, (kind, deformation, epochs) in enumerate(simulations):
        data = out / f"{kind}.h5"
        progress = partial(watch.track, description=f"Simulating pairs ({kind})")
        simulate_dataset(
            data,
            atlas,
            size.n_pairs,
            deformation=deformation,
            random_state=seed + number,
            workers=workers,
            progress=progress,
            # What ten epochs can learn: whole, coronal sections.
            max_tilt_degrees=0,
            damage=0,
        )
        watch.say(f"Training the {kind} network on {size.n_pairs} pairs")
        config = TrainingConfig(
            kind=kind, data=(data,), out=out / kind, epochs=epochs, seed=seed, compute_inv=kind != "local", batch_size=4
        )
        models[f"{kind}_model"] = fit(config, callbacks=watch.training()).best_model
    return models


def _register(out: Path, atlas: Atlas, size: DemoSize, seed: int, models: dict) -> tuple[list[dict], dict]:
    from atlalign.registration import Registrar

    registrar = Registrar(atlas, **models)
    (out / "sections").mkdir(exist_ok=True)
    errors, pictures = [], {}
    for number in range(1, size.n_sections + 1):
        name = f"section_{number}"
        pair, path = _new_section(out / "sections" / f"{name}.png", number, seed)
        registration = registrar.register(path, position_um=pair.p, pixel_size_um=_SECTION_UM)
        registration.save(out / name)
        before, after = _errors_px(registration, pair)
        errors.append({"name": name, "position_um": pair.p, "before_px": before, "after_px": after})
        with atomic_path(out / f"{name}.png") as temporary:
            registration_figure(registration).savefig(temporary, dpi=70)
        pictures[f"{name}: plane at {pair.p} um, mean error {before:.2f} px before, {after:.2f} px after"] = (
            f"{name}.png"
        )
    return errors, pictures


def _new_section(path: Path, number: int, seed: int):
    """Draw a section that no dataset holds; every other one is on a bright background, as brightfield is."""
    fine = Atlas.load(f"phantom:{_SECTION_UM}")
    # A spawn key of its own keeps these draws apart from those of the datasets.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    pair = simulate_pair(fine, deformation="both", random_state=rng, max_tilt_degrees=0, damage=0)
    iio.imwrite(path, 255 - pair.img if number % 2 else pair.img)
    return pair, path


def _errors_px(registration, pair) -> tuple[float, float]:
    """Mean distance in tissue, in canvas px, to the true places: placed by its tissue, and registered."""
    from atlalign.base import DisplacementField

    atlas, canvas = registration.atlas, registration.canvas
    rows, columns = np.nonzero(atlas.annotation_plane(canvas.plane, canvas.shape))
    canvas_points = np.column_stack([columns, rows]).astype(float)
    points_um = canvas.plane.pixels_to_um(canvas_points, canvas.shape)

    # The field of the pair lives on the finer grid of the section's own plane.
    plane_points = canvas.plane.um_to_pixels(points_um, pair.img.shape)
    truth = DisplacementField.from_deltas_xy(pair.deltas_xy).transform_points(plane_points)
    unregistered = canvas.canvas_to_section(canvas_points)
    registered = registration.atlas_to_section(points_um)
    unit = _GRID_UM / _SECTION_UM
    before, after = (
        float(np.linalg.norm(points - truth, axis=1).mean() / unit) for points in (unregistered, registered)
    )
    return before, after
