"""Make the networks that come with the package, by the package's own commands.

Simulates the pairs, trains the global network, then the local one on what the global one leaves, and on the global
one's pairs the network that finds positions; and puts all three, without what training needed, into atlalign/weights.
What is done is not done again, and what was stopped goes on where it was. The settings are in scripts/default_weights;
other options of atlalign-train may follow those of this script.
On two cores this takes hours; on a machine with a GPU set KERAS_BACKEND=jax and raise --pairs.

Example: python scripts/make_default_weights.py work --atlas ../shared/atlas/ccf_2017 --workers 2
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "scripts" / "default_weights"
SHAPES = {"global": "80,114", "local": "160,228"}
SEEDS = {"global": 1, "local": 7}
# The global network learns from sections that lie anywhere; what it meets, and leaves to the local one, was placed.
PLACED_BY = {"global": "anywhere", "local": "tissue"}
PAIRS_OF = {"position": "global"}
# The local network goes too far on real sections, whose looks nothing simulated has: its velocity is shipped at this
# share. docs/default-networks.md says what that gives and takes.
LOCAL_GAIN = 0.85


def run(program, *arguments):
    """Run a command of the package, and end with it if it fails."""
    entry = {"atlalign": "main", "atlalign-train": "main_train"}[program]
    code = f"from atlalign.cli import {entry}\nif __name__ == '__main__':\n    {entry}()"
    print(">", program, *arguments, flush=True)
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT)
    if done.returncode:
        sys.exit(done.returncode)


def make(kind, folder, arguments, more):
    """Make the pairs and the network of a kind, and return where the network is."""
    pairs = PAIRS_OF.get(kind, kind)
    data, out = folder / f"{pairs}.h5", folder / kind
    if not data.exists():
        where = ["--atlas", arguments.atlas, "--shape", SHAPES[pairs], "--seed", SEEDS[pairs], "--planes", "training"]
        where += ["--place-by", PLACED_BY[pairs]]
        run("atlalign", "dataset", "simulate", *where, "--n", arguments.pairs, "--workers", arguments.workers, data)
    if (out / "config.toml").exists():
        run("atlalign-train", kind, "--out", out, "--resume")
    else:
        run("atlalign-train", kind, data, "--out", out, "--config", SETTINGS / f"{kind}.toml", *more)
    return out / "best.keras"


def temper(model, gain):
    """Multiply the velocity that a local network predicts, in place."""
    last = model.get_layer("unet").get_layer("field")
    last.set_weights([gain * weights for weights in last.get_weights()])


def ship(kind, model):
    """Save a network without its optimizer among the weights that ship."""
    from atlalign.ml_utils.models import load_model, save_model

    path = ROOT / "atlalign" / "weights" / f"{kind}.keras"
    bare = load_model(model)
    if kind == "local":
        temper(bare, LOCAL_GAIN)
    save_model(bare, path, separate=False)
    print(f"{path}: {bare.count_params()} parameters, {path.stat().st_size / 1e6:.2f} MB")


def main():
    """Do every step that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where datasets and runs are kept")
    parser.add_argument("--atlas", required=True, help="the Allen CCFv3: a BrainGlobe name or a folder")
    parser.add_argument("--pairs", type=int, default=60000, help="pairs that are simulated for each network")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate")
    arguments, more = parser.parse_known_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    best = make("global", folder, arguments, more)
    ship("global", best)
    ship("local", make("local", folder, arguments, [*more, "--global-model", best]))
    ship("position", make("position", folder, arguments, more))


if __name__ == "__main__":
    main()
