"""Install the core into an empty environment; print how long that takes, and what each dependency weighs, as a table.

A dependency has two sizes: its own, and what would not be installed without it, the packages that only it needs
included. Bytecode that pip compiles counts.

Example:
    python scripts/measure_install.py --python python3.12
    python scripts/measure_install.py --installed .venv/bin/python
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Runs in the environment: name -> (bytes, names that it needs there). pip brings what reads requirements.
LIST = """
import importlib.metadata as metadata, json
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name
found = {}
for one in metadata.distributions():
    needs = [Requirement(text) for text in one.requires or []]
    files = {file.locate() for file in one.files or []}
    found[canonicalize_name(one.name)] = (
        sum(file.stat().st_size for file in files if file.is_file()),
        [canonicalize_name(need.name) for need in needs if not need.marker or need.marker.evaluate({"extra": ""})],
    )
print(json.dumps(found))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--python", default=sys.executable, help="makes the environment: %(default)s")
    where.add_argument("--installed", help="the interpreter of an environment that holds atlalign: installs nothing")
    given = parser.parse_args(arguments)
    if given.installed:
        print_sizes(listed(given.installed))
        return 0
    with tempfile.TemporaryDirectory(prefix="measure_install_") as temporary:
        subprocess.run([given.python, "-m", "venv", temporary], check=True)
        own = str(next(Path(temporary).glob("[Bb]in/python"), Path(temporary) / "Scripts" / "python"))
        start = time.monotonic()
        subprocess.run([own, "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
        print(f"pip install: {time.monotonic() - start:.0f} s, download included")
        print_sizes(listed(own))
    return 0


def listed(python: str) -> dict[str, tuple[int, list[str]]]:
    """Return the bytes of each distribution in the environment of an interpreter, and the names of what it needs."""
    done = subprocess.run([python, "-c", LIST], check=True, capture_output=True, text=True)
    return {name: tuple(entry) for name, entry in json.loads(done.stdout).items()}


def reached(packages: dict[str, tuple[int, list[str]]], start: Sequence[str]) -> set[str]:
    """Return the installed packages that some packages need, themselves included.

    Examples
    --------
    >>> sorted(reached({"a": (1, ["b"]), "b": (1, []), "c": (1, ["b"])}, ["a"]))
    ['a', 'b']
    """
    found: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name in packages and name not in found:
            found.add(name)
            left += packages[name][1]
    return found


def print_sizes(packages: dict[str, tuple[int, list[str]]]) -> None:
    """Print a row for each direct dependency, what it alone brings first."""
    direct = packages["atlalign"][1]
    everything = reached(packages, ["atlalign"])

    def size(names) -> float:
        return sum(packages[name][0] for name in names) / 1e6

    rows = []
    for name in direct:
        others = reached(packages, [other for other in direct if other != name])
        rows.append((size(everything - others - {"atlalign"}), size([name]), name))
    print(f"{len(everything)} packages, {size(everything):.0f} MB, of them atlalign {size(['atlalign']):.0f} MB\n")
    print("| package | MB | MB less without it |\n| --- | ---: | ---: |")
    for without, own, name in sorted(rows, reverse=True):
        print(f"| {name} | {own:.1f} | {without:.1f} |")


if __name__ == "__main__":
    sys.exit(main())
