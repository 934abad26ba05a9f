"""Errors that name a damaged file, whatever the library that read it raised."""

from collections.abc import Iterator
from contextlib import contextmanager

from atlalign.errors import InvalidFileError, one_line


@contextmanager
def naming_damage(
    rule: str,
    received: object,
    remedy: str,
    *,
    caught: tuple[type[Exception], ...] = (Exception,),
    passed: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn what a library raises on a damaged file into an InvalidFileError.

    Parameters
    ----------
    rule : str
        What the file must be, a sentence.
    received : object
        The file, and what it is taken for; the library's own words follow in brackets.
    remedy : str
        What to do, a sentence.
    caught : tuple of type
        What stands for damage. Readers of images and their decoders raise a dozen unrelated classes.
    passed : tuple of type
        Of these, what says enough by itself.

    Raises
    ------
    InvalidFileError

    Examples
    --------
    >>> with naming_damage("A table must be whole.", "a.csv", "Copy it again."):
    ...     raise KeyError("x")
    Traceback (most recent call last):
    ...
    atlalign.errors.InvalidFileError: A table must be whole. Received: a.csv ('x'). Copy it again.
    """
    try:
        yield
    except passed:
        raise
    except caught as error:
        raise InvalidFileError(f"{rule} Received: {received} ({one_line(error)}). {remedy}") from None
