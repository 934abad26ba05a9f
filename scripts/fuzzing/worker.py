"""The process that gives damaged files to one reader; what it finds goes to its standard output as JSON lines."""

import faulthandler
import json
import resource
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from atlalign.errors import AtlalignError
from fuzzing.mutations import mutate
from fuzzing.readers import Reader, lay_out, readers

MOST_BYTES = 2**30
LONGEST = 1500  # characters of a message
REFUSED_EVENTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class")
# What says something useful without the word: the missing file, and Python's own words for a missing extra.
SAYS_WHAT = "Received"


class Forbidden(BaseException):
    """Something that a reader must never do."""


class Slow(BaseException):
    """The reader takes too long."""


def answer(reader: Reader, path: Path, limit: int) -> tuple[bool, str | None]:
    """Return whether the file was refused, and what is wrong with the answer, if anything."""
    signal.alarm(limit)
    try:
        reader.read(path)
    except (AtlalignError, ValueError, OSError) as error:
        message = str(error)
        if "\n" in message or SAYS_WHAT not in message or len(message) > LONGEST:
            return True, f"unclear: {type(error).__name__}: {message[:300]!r}"
        return True, None
    except Slow:
        return False, f"slow: no answer after {limit} s"
    except (Exception, Forbidden) as error:
        return False, f"{type(error).__name__}: {str(error)[:300]!r}"
    finally:
        signal.alarm(0)
    return False, None


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(settings: dict[str, Any]) -> None:
    """Go through the cases."""
    reader = readers()[settings["reader"]]
    samples, folder = Path(settings["samples"]), Path(settings["case"])
    shutil.rmtree(folder, ignore_errors=True)
    path = lay_out(samples, reader, folder)
    sound = path.read_bytes()
    reader.read(path)  # the sound file is read, and everything imported, before anything is forbidden
    _forbid()
    findings: list[dict[str, Any]] = []
    started, seed, n_refused = time.monotonic(), settings["seed"], 0
    first = seed

    def tell() -> None:
        left = settings["seconds"] - (time.monotonic() - started)
        state = {"cases": seed - first, "refused": n_refused, "findings": findings, "next_seed": seed}
        print(json.dumps({**state, "seconds_left": left}), flush=True)

    while seed - first < settings["cases"] and time.monotonic() - started < settings["seconds"]:
        if (seed - first) % 50 == 0:
            tell()
        path.write_bytes(mutate(sound, np.random.default_rng([seed, len(sound)])))
        before = peak_bytes()
        refused, wrong = answer(reader, path, settings["limit"])
        if wrong is None and peak_bytes() - before > MOST_BYTES:
            wrong = f"memory: {(peak_bytes() - before) / 2**20:.0f} MiB more"
        n_refused += refused
        if wrong is not None:
            findings.append({"seed": seed, "what": wrong})
            _keep(path, settings, seed)
            tell()
        seed += 1
    tell()


def _keep(path: Path, settings: dict[str, Any], seed: int) -> None:
    if settings["keep"] is None:
        return
    folder = Path(settings["keep"])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / f"{settings['reader'].replace(' ', '_')}_{seed}{path.suffix}")


def _forbid() -> None:
    def refuse(event: str, arguments: Any) -> None:
        if event in REFUSED_EVENTS:
            raise Forbidden(f"{event}{arguments!r:.200}")

    def too_slow(number: int, frame: Any) -> None:
        raise Slow

    sys.addaudithook(refuse)
    signal.signal(signal.SIGALRM, too_slow)


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("ignore")
    run(json.loads(sys.argv[1]))
