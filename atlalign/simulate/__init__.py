"""Labelled pairs made from an atlas: random looks and deformations whose fields are known."""

from atlalign.simulate.appearance import random_appearance
from atlalign.simulate.deformation import DEFORMATIONS, random_deformation
from atlalign.simulate.job import simulate_dataset
from atlalign.simulate.pair import SimulatedPair, simulate_pair

__all__ = [
    "DEFORMATIONS",
    "SimulatedPair",
    "random_appearance",
    "random_deformation",
    "simulate_dataset",
    "simulate_pair",
]
