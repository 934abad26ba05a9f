"""The commands `atlalign` and `atlalign-train`: each calls one public function."""

from atlalign.cli.app import main, main_train

__all__ = ["main", "main_train"]
