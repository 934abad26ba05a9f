"""Keys of the page, the commands that they give, and what these do in words."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One line of the help.

    Attributes
    ----------
    keys : tuple of str
        As a browser names them, with "Ctrl+" in front where that is held.
    command : str
        What the page is told; "" for what the browser does by itself.
    meaning : str
    group : str
        The heading that it stands under.
    """

    keys: tuple[str, ...]
    command: str
    meaning: str
    group: str


KEYS = (
    Key(("z", "Ctrl+z"), "undo", "undo", "Points"),
    Key(("Z", "Ctrl+y", "Ctrl+Z"), "redo", "redo", "Points"),
    Key(("Enter",), "accept", "take the predicted place for the second point of a pair", "Points"),
    Key(("Escape",), "escape", "forget a half pair, or what is selected", "Points"),
    Key(("x", "Delete", "Backspace"), "delete", "delete the selected pair", "Points"),
    Key(("j",), "select-next", "select the next pair", "Points"),
    Key(("k",), "select-previous", "select the previous pair", "Points"),
    Key(("ArrowLeft",), "nudge:-0.5,0", "move the selected pair left by half a pixel", "Points"),
    Key(("ArrowRight",), "nudge:0.5,0", "move it right", "Points"),
    Key(("ArrowUp",), "nudge:0,-0.5", "move it up", "Points"),
    Key(("ArrowDown",), "nudge:0,0.5", "move it down", "Points"),
    Key(("m",), "symmetric", "mirror pairs on the other side, or not", "Points"),
    Key(("h",), "hold", "let the automatic points hold the rest, or not", "Points"),
    Key(("i",), "method-next", "next method of interpolation", "Points"),
    Key(("R",), "reset", "take every correction of this section back", "Points"),
    Key((" ",), "toggle-blend", "switch between the two remembered positions of the blend", "View"),
    Key(("-",), "blend:-0.1", "blend: more of the atlas", "View"),
    Key(("=", "+"), "blend:0.1", "blend: more of the section", "View"),
    Key(("o",), "outlines", "outlines of structures on, off", "View"),
    Key(("g",), "grid", "warped grid, with folds in red, on, off", "View"),
    Key(("a",), "arrows", "arrows of the correction on, off", "View"),
    Key(("f",), "swap", "swap the two images: the overlay lies on the atlas, or on the section", "View"),
    Key(("0",), "zoom-reset", "show all", "View"),
    Key(("b",), "palette-section", "next colours of the section", "View"),
    Key(("v",), "palette-atlas", "next colours of the atlas", "View"),
    Key(("w",), "threshold:section,high,-8", "section brighter: upper threshold down", "View"),
    Key(("W",), "threshold:section,high,8", "section darker: upper threshold up", "View"),
    Key(("q",), "threshold:section,low,8", "section: lower threshold up", "View"),
    Key(("Q",), "threshold:section,low,-8", "section: lower threshold down", "View"),
    Key(("e",), "threshold:atlas,high,-8", "atlas brighter: upper threshold down", "View"),
    Key(("E",), "threshold:atlas,high,8", "atlas darker: upper threshold up", "View"),
    Key(("d",), "threshold:atlas,low,8", "atlas: lower threshold up", "View"),
    Key(("D",), "threshold:atlas,low,-8", "atlas: lower threshold down", "View"),
    Key(("[",), "plane:-1", "one plane towards the front", "Plane"),
    Key(("]",), "plane:1", "one plane towards the back", "Plane"),
    Key(("{",), "plane:-10", "ten planes towards the front", "Plane"),
    Key(("}",), "plane:10", "ten planes towards the back", "Plane"),
    Key(("n", "PageDown"), "next", "next section", "Section"),
    Key(("p", "PageUp"), "previous", "previous section", "Section"),
    Key(("c",), "state:corrected", "call the section corrected, as it is", "Section"),
    Key(("r",), "state:rejected", "reject the section", "Section"),
    Key(("u",), "state:untouched", "call the section untouched", "Section"),
    Key(("t",), "note", "write a note", "Section"),
    Key(("s", "Ctrl+s"), "write", "write the results into the folder", "Files"),
    Key(("T",), "dataset", "add to the dataset: write all corrected sections as training pairs", "Files"),
    Key(("V",), "visualign", "write a file for VisuAlign and QuickNII", "Files"),
    Key(("?", "F1"), "help", "this help", "Help"),
)

_SHOWN = {
    " ": "Space",
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "Escape": "Esc",
    "PageDown": "Page down",
    "PageUp": "Page up",
}


def commands_by_key() -> dict[str, str]:
    """Return the command of each key.

    Examples
    --------
    >>> commands_by_key()["Ctrl+z"]
    'undo'
    """
    return {key: line.command for line in KEYS for key in line.keys}


def shown(key: str) -> str:
    """Return a key as a person reads it.

    Examples
    --------
    >>> shown(" "), shown("Z"), shown("Ctrl+Z"), shown("x")
    ('Space', 'Shift+Z', 'Ctrl+Shift+Z', 'X')
    """
    if key.startswith("Ctrl+"):
        return f"Ctrl+{shown(key[5:])}"
    if len(key) == 1 and key.isalpha():
        return f"Shift+{key}" if key.isupper() else key.upper()
    return _SHOWN.get(key, key)


def keyboard_table() -> str:
    """Return the keys as a table in Markdown, for the documentation.

    Examples
    --------
    >>> keyboard_table().splitlines()[2]
    '| `Z`, `Ctrl+Z` | undo |'
    """
    rows = [f"| {', '.join(f'`{shown(key)}`' for key in line.keys)} | {line.meaning} |" for line in KEYS]
    return "\n".join(["| key | what it does |", "| --- | --- |", *rows])
