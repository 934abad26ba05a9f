"""The errors that atlalign raises on purpose.

Every message states the rule, what was received, and the remedy, in one line: the commands print it as it is.
"""

_LONGEST, _END = 1000, 300  # characters of a message, and of what stays of its end


def one_line(reason: object) -> str:
    r"""Return what another library says, an error or a text, in one line; an error without words by its name.

    Examples
    --------
    >>> one_line(ValueError("two\nlines")), one_line(ValueError())
    ('two lines', 'ValueError')
    """
    return " ".join(str(reason).split()) or type(reason).__name__


class AtlalignError(Exception):
    """Base class of the package's own errors.

    Parameters
    ----------
    message : str
        The rule, what was received, and the remedy. What a damaged file makes of it is brought to one line, and cut in
        the middle where it is longer than anyone reads.

    Examples
    --------
    >>> len(str(AtlalignError(f"A name must be short. Received: {'a' * 5000}. Shorten it.")))
    1000
    """

    def __init__(self, message: str = ""):
        line = " ".join(message.split())
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST - _END - 5]} ... {line[-_END:]}"
        super().__init__(line)


class InvalidFileError(AtlalignError, ValueError):
    """A file exists but does not hold what it should."""


class AtlasError(AtlalignError, ValueError):
    """An atlas cannot be found, read or understood."""


class ModelError(AtlalignError, ValueError):
    """A model cannot be loaded or does not do what is asked of it."""


class MissingExtraError(AtlalignError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    feature : str
        What needs the dependency, as the start of a sentence.
    extra : str
        The name of the extra that brings it.

    Examples
    --------
    >>> print(MissingExtraError("BrainGlobe atlases", "brainglobe"))
    BrainGlobe atlases need an optional dependency that is not installed. Run: pip install 'atlalign[brainglobe]'
    """

    def __init__(self, feature: str, extra: str):
        super().__init__(
            f"{feature} need an optional dependency that is not installed. Run: pip install 'atlalign[{extra}]'"
        )
