"""Run the docstring examples of modules of an installed package: python examples.py MODULE..."""

import doctest
import importlib
import sys


def main(names: list[str]) -> int:
    """Return 0 if every example of the named modules gave what it says, else 1.

    Parameters
    ----------
    names : list of str
        Modules by their dotted names. One without examples counts as failed: it is named for them.
    """
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS  # as in pyproject.toml
    failed = attempted = 0
    for name in names:
        result = doctest.testmod(importlib.import_module(name), optionflags=flags)
        failed += result.failed + (result.attempted == 0)
        attempted += result.attempted
    print(f"{attempted} examples of {len(names)} modules, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
