"""What can be wrong with weights."""

from pathlib import Path

from atlalign.errors import AtlalignError


class MissingWeightsError(AtlalignError, FileNotFoundError):
    """Weights are not on this computer.

    Parameters
    ----------
    name : str
        The name of the set, which the command takes.
    path : Path
        Where the missing file should be.

    Examples
    --------
    >>> print(MissingWeightsError("lpips", Path("cache/alexnet.npz")))
    The weights 'lpips' must be on this computer. Received: no file cache/alexnet.npz. Run: atlalign weights fetch lpips
    """

    def __init__(self, name: str, path: Path):
        super().__init__(
            f"The weights {name!r} must be on this computer. Received: no file {path}. "
            f"Run: atlalign weights fetch {name}"
        )


class FetchError(AtlalignError):
    """Weights could not be fetched.

    Parameters
    ----------
    message : str
        What went wrong, in one line.
    no_connection : bool
        Whether the reason is that no server answered.
    """

    def __init__(self, message: str, no_connection: bool = False):
        super().__init__(message)
        self.no_connection = no_connection
