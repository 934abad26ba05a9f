"""Ways to damage a file: blindly, or with numbers and structure that a parser takes for its own."""

import re
from collections.abc import Callable

import numpy as np

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NUMBERS = (
    b"0 -1 1 2147483648 -2147483649 18446744073709551616 1e308 1e999 -1e999 NaN nan Infinity -inf 1e-320 0.1 "
    b'null true "" [] {} [[]] 99999999999999999999999999999999 000 0x10 1_000'
).split()
_TEXTS = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", "é\u202e\U0001f9e0".encode(), b"\r", b"\n\n", b",,,,", b'"',
    b"<!DOCTYPE a [<!ENTITY b \"cc\">]>", b"&b;", b"../../../etc/passwd", b"/dev/zero", b"__import__('os').getcwd()",
    b"[" * 3000, b"{\"a\":" * 3000, b"9" * 5000, b"a" * 70000,
)  # fmt: skip
_WORDS = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of a file, damaged in one to four ways.

    Parameters
    ----------
    data : bytes
        A sound file.
    rng : numpy.random.Generator

    Examples
    --------
    >>> sound = b'{"width": 90}'
    >>> mutate(sound, np.random.default_rng(0)) == mutate(sound, np.random.default_rng(0))
    True
    """
    is_text = b"\x00" not in data[:4096]
    ways = [*_ANY, *(_TEXT if is_text else _BINARY)]
    for _ in range(int(rng.integers(1, 5))):
        data = ways[int(rng.integers(len(ways)))](data, rng)
    return data


def _place(data: bytes, rng: np.random.Generator) -> int:
    """Somewhere in a file, half of the time near its start, where headers are."""
    return int(rng.integers(0, max(1, min(len(data), 512) if rng.random() < 0.5 else len(data))))


def _cut_off(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _without_a_part(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 200)) :]


def _with_a_part_twice(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    part = data[start : start + int(rng.integers(1, 2000))]
    return data[:start] + part * int(rng.integers(2, 5)) + data[start:]


def _with_a_flipped_bit(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _with_an_extreme_word(data: bytes, rng: np.random.Generator) -> bytes:
    start, size = _place(data, rng), int(rng.choice([1, 2, 4, 8]))
    word = _WORDS[int(rng.integers(len(_WORDS)))] * size
    return data[:start] + word + data[start + size :]


def _with_a_blank_part(data: bytes, rng: np.random.Generator) -> bytes:
    start, size = _place(data, rng), int(rng.integers(1, 1000))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


def _with_another_number(data: bytes, rng: np.random.Generator) -> bytes:
    found = list(_NUMBER.finditer(data[:200_000]))
    if not found:
        return data
    match = found[int(rng.integers(len(found)))]
    return data[: match.start()] + _NUMBERS[int(rng.integers(len(_NUMBERS)))] + data[match.end() :]


def _with_a_text(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + _TEXTS[int(rng.integers(len(_TEXTS)))] + data[start:]


def _with_a_line_elsewhere(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    line = lines.pop(int(rng.integers(len(lines))))
    lines.insert(int(rng.integers(len(lines) + 1)), line)
    return b"\n".join(lines)


_Way = Callable[[bytes, np.random.Generator], bytes]
_ANY: tuple[_Way, ...] = (_cut_off, _without_a_part, _with_a_part_twice, _with_a_flipped_bit)
_TEXT: tuple[_Way, ...] = (_with_another_number, _with_another_number, _with_a_text, _with_a_line_elsewhere)
_BINARY: tuple[_Way, ...] = (_with_an_extreme_word, _with_an_extreme_word, _with_a_blank_part, _with_another_number)
