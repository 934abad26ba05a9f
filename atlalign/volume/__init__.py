"""Registered sections as a volume: sections in their order, and interpolation of the planes between them."""

from atlalign.volume.volume import CoronalInterpolator, GappedVolume, Volume, VolumeSection

__all__ = ["CoronalInterpolator", "GappedVolume", "Volume", "VolumeSection"]
