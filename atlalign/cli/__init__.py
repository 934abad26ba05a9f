"""The commands `atlalign`, `atlalign-train` and `label-tool`: each calls one public function."""

from atlalign.cli.app import main, main_label, main_train

__all__ = ["main", "main_label", "main_train"]
