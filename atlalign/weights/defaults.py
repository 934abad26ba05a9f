"""The networks that come with the package."""

from pathlib import Path

VERSION = "2026.11"
DEFAULT = "default"  # names the network of its kind that comes with the package, where a model is asked for

_FOLDER = Path(__file__).resolve().parent


def default_models() -> dict[str, Path]:
    """Return where the default networks lie: global, local, and the one that proposes positions.

    The page on the default networks says what they were trained on, how far to trust them, and what to cite.

    Examples
    --------
    >>> {kind: path.name for kind, path in default_models().items()}
    {'global': 'global.keras', 'local': 'local.keras', 'position': 'position.keras'}
    """
    return {kind: _FOLDER / f"{kind}.keras" for kind in ("global", "local", "position")}
