"""Training a network on datasets of labelled pairs: configuration in, run folder out."""

from atlalign.training.config import TrainingConfig
from atlalign.training.config_file import PRESETS, effective_config, read_config, write_config
from atlalign.training.loop import fit, resume

__all__ = ["PRESETS", "TrainingConfig", "effective_config", "fit", "read_config", "resume", "write_config"]
