"""Registration: a new section in, everything about it out."""

from atlalign.registration.areas import structure_areas
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.groups import read_groups
from atlalign.registration.images import register_images
from atlalign.registration.landmark_files import LandmarkPairs, read_landmark_pairs
from atlalign.registration.landmark_step import with_landmarks
from atlalign.registration.point_files import convert_points
from atlalign.registration.point_map import PointMap
from atlalign.registration.points import count_points, locate_points, place_points
from atlalign.registration.position import ProposedPlane, propose_position
from atlalign.registration.registrar import Registrar, register
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration, read_registration
from atlalign.registration.steps import Step

__all__ = [
    "LandmarkPairs",
    "PointMap",
    "ProposedPlane",
    "Registrar",
    "Registration",
    "RegistrationFiles",
    "SavedRegistration",
    "Step",
    "convert_points",
    "count_points",
    "locate_points",
    "place_points",
    "propose_position",
    "read_groups",
    "read_landmark_pairs",
    "read_registration",
    "register",
    "register_images",
    "structure_areas",
    "with_landmarks",
]
