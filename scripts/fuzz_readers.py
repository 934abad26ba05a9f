r"""Give damaged files to every reader of the package, and report each answer that is not one clear line.

A reader may read a damaged file, or refuse it with a ValueError, an OSError or an error of the package whose message
is one line that says what was received. Anything else is a finding: another error, an answer after more than --limit
seconds, more than 1 GiB of memory, a process started, a connection opened, an object unpickled, or a crash. The file
is kept in --keep, and the line printed ends with what repeats it.

Example:
    python scripts/fuzz_readers.py --seconds 3600 --keep findings
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fuzzing.readers import make_samples, readers

WORKER = Path(__file__).with_name("fuzzing") / "worker.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if nothing was found, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all readers together: %(default)s")
    parser.add_argument("--readers", help="some, with commas: " + ", ".join(readers()))
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next has the next: %(default)s")
    parser.add_argument("--cases", type=int, default=10**9, help="at most so many a reader")
    parser.add_argument("--limit", type=int, default=20, help="seconds that a reader may take: %(default)s")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    given = parser.parse_args(arguments)
    chosen = given.readers.split(",") if given.readers else list(readers())
    unknown = sorted(set(chosen) - set(readers()))
    if unknown:
        parser.error(f"readers must be some of {', '.join(readers())}. Received: {', '.join(unknown)}")
    n_findings = 0
    with tempfile.TemporaryDirectory() as temporary:
        samples = Path(temporary) / "samples"
        make_samples(samples)
        for name in chosen:
            report = fuzz(name, samples, Path(temporary) / "case", given, given.seconds / len(chosen))
            n_findings += len(report["findings"])
            print(f"{name}: {report['cases']} files, {report['refused']} refused, {len(report['findings'])} findings")
            for finding, count in _kinds(report["findings"]):
                print(
                    f"  {count} x {finding['what']}  [--readers '{name}' --seed {finding['seed']} --cases 1]",
                    flush=True,
                )
    return 1 if n_findings else 0


def _kinds(findings: list[dict]) -> list[tuple[dict, int]]:
    """Return one finding of each kind, and how many there are: those that differ in numbers and paths are one kind."""
    kinds: dict[str, list[dict]] = {}
    for finding in findings:
        kinds.setdefault(re.sub(r"[^A-Za-z ]+\S*", "", finding["what"])[:80], []).append(finding)
    return [(alike[0], len(alike)) for alike in kinds.values()]


def fuzz(name: str, samples: Path, case: Path, given: argparse.Namespace, seconds: float) -> dict:
    """Fuzz one reader in a process of its own; a crash of it is a finding too, and it goes on after it."""
    total = {"cases": 0, "refused": 0, "findings": []}
    seed, left = given.seed, seconds
    while left > 0 and total["cases"] < given.cases:
        settings = {
            "reader": name,
            "samples": str(samples),
            "case": str(case),
            "seed": seed,
            "cases": given.cases - total["cases"],
            "seconds": left,
            "limit": given.limit,
            "keep": str(given.keep.absolute()) if given.keep else None,
        }
        done = subprocess.run(
            [sys.executable, str(WORKER), json.dumps(settings)], capture_output=True, text=True, check=False
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise RuntimeError(f"The worker for {name} did not start: {done.stderr.strip()[-2000:]}")
        last = lines[-1]
        total["cases"] += last["cases"]
        total["refused"] += last["refused"]
        total["findings"] += last["findings"]
        if done.returncode == 0:
            break
        what = f"crash: the process ended with {done.returncode}: {done.stderr.strip()[-300:]!r}"
        total["findings"].append({"seed": last["next_seed"], "what": what})
        total["cases"] += 1
        seed, left = last["next_seed"] + 1, last["seconds_left"]
    return total


if __name__ == "__main__":
    sys.exit(main())
