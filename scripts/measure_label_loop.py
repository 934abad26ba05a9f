"""What ten sections that a person corrected change: a local network, fine-tuned on them, on sections held out.

A brain of the phantom is bent in a way of its own that no simulated pair has. A network that was trained on simulated
pairs registers it; a person, here a function that knows the answer to within a fraction of a pixel, corrects ten of
its sections as one does on the page of `atlalign label`; the network goes on from these, and both register the rest.

Example: python scripts/measure_label_loop.py --out /tmp/loop
"""

import argparse
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from atlalign import Atlas, DisplacementField, Registrar
from atlalign.evaluation import evaluate_methods, model_methods
from atlalign.label import LabelFolder, LabelSession, dataset_from_labels
from atlalign.pairs import PairSource
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, fit

ATLAS = "phantom:100"
SHAPE = (80, 112)  # what a network of four halvings takes, and nearly that of the atlas
POSITIONS_UM = np.arange(4000, 8200, 300)
HELD_OUT = (2, 5, 8, 11)  # of these
CLICK_PX = 0.3  # standard deviation of a person's hand


def truth_of(number: int) -> DisplacementField:
    """How a section is bent: as the whole brain is, and a little on its own."""
    whole = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=4, sigma=18, random_state=99)
    own = DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=1, sigma=12, random_state=number)
    return whole(own)


def make_sections(folder: Path, atlas: Atlas) -> None:
    """Write the images: bent, of one stain, with noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, position in enumerate(POSITIONS_UM):
        section = truth_of(number).pseudo_inverse().warp(atlas.reference_plane(float(position), SHAPE))
        noisy = section**0.7 + rng.normal(0, 0.03, SHAPE) * (section > 0.02)
        iio.imwrite(folder / f"brain_s{number:03d}.png", np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8))


def register_all(folder: Path, atlas: Atlas, model: Path) -> None:
    """Register all sections as `atlalign register` does, each into its folder."""
    registrar = Registrar(atlas, local_model=model)
    for number, position in enumerate(POSITIONS_UM):
        name = f"brain_s{number:03d}"
        kind = "held_out" if number in HELD_OUT else "run"
        registration = registrar.register(
            folder / "sections" / f"{name}.png",
            position_um=float(position),
            pixel_size_um=(atlas.shape_um[2] / SHAPE[1], atlas.shape_um[1] / SHAPE[0]),
        )
        registration.save(folder / kind / name)


def correct_all(folder: Path, kind: str) -> int:
    """Let the person correct sections; returns how many points that took."""
    rng = np.random.default_rng(1)
    placed = 0
    for section in LabelFolder(folder / kind, [folder / "sections"]).sections:
        subject = section.load()
        session = LabelSession(subject, on_change=lambda labels, s=section, of=subject: s.save("anna", labels, of))
        session.set_hold(False)
        truth, tissue = truth_of(int(section.name[-3:])), subject.tissue()
        for y in range(6, SHAPE[0], 10):
            for x in range(8, SHAPE[1], 12):
                if tissue[y, x]:
                    there = truth.transform_points([[x, y]]) + rng.normal(0, CLICK_PX, (1, 2))
                    # the truth is in px of the image, which covers the slice edge to edge
                    session.add((x, y), subject.to_canvas(there)[0])
                    placed += 1
    return placed


def main() -> None:
    """Read the command line, run the loop once, and print what it changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to work in, replaced")
    parser.add_argument("--pairs", type=int, default=400, help="simulated pairs (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="epochs on these (default: %(default)s)")
    parser.add_argument("--more-epochs", type=int, default=40, help="epochs on the ten (default: %(default)s)")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    atlas = Atlas.load(ATLAS)
    simulated = given.out / "simulated.h5"
    simulate_dataset(simulated, ATLAS, given.pairs, SHAPE, "local", 0, place_by="tissue", damage=0.0)
    how = {"kind": "local", "batch_size": 4, "workers": 0}
    first = fit(TrainingConfig(data=simulated, out=given.out / "first", epochs=given.epochs, schedule="cosine", **how))
    make_sections(given.out / "sections", atlas)
    register_all(given.out, atlas, first.best_model)
    placed = correct_all(given.out, "run")
    correct_all(given.out, "held_out")
    images = [given.out / "sections"]
    made = dataset_from_labels(given.out / "run", given.out / "labelled.h5", images=images, shape=SHAPE)
    dataset_from_labels(given.out / "held_out", given.out / "held_out.h5", images=images, shape=SHAPE)
    mine = fit(
        TrainingConfig(
            data=given.out / "labelled.h5",
            out=given.out / "mine",
            init_from=first.best_model,
            learning_rate=3e-4,
            epochs=given.more_epochs,
            deformation="local",
            validation_share=0.2,
            **how,
        )
    )
    print(f"{len(made.written)} sections, {placed / len(made.written):.0f} points each; {len(HELD_OUT)} held out")
    columns = {"endpoint_error_um": "off by um", "dice_depth_4": "Dice at depth 4"}
    for name, run in (("before", first), ("after", mine)):
        methods = model_methods([run.best_model])
        summary = evaluate_methods(methods, PairSource([given.out / "held_out.h5"]), depths=(4,)).summary
        for method in summary.index if name == "before" else summary.index[1:]:
            row = summary.loc[method]
            values = {title: row[f"{key}_mean"] for key, title in columns.items() if f"{key}_mean" in row}
            print(
                f"{name if method != 'identity' else method:10s}",
                {key: round(value, 3) for key, value in values.items()},
            )


if __name__ == "__main__":
    main()
