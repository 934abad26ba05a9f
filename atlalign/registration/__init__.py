"""Registration: a new section in, everything about it out."""

from atlalign.registration.areas import structure_areas
from atlalign.registration.batch import register_batch
from atlalign.registration.batch_files import BatchFiles
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.groups import read_groups
from atlalign.registration.images import register_images
from atlalign.registration.job_making import SectionOptions
from atlalign.registration.jobs import SectionJob, find_sections
from atlalign.registration.landmark_files import LandmarkPairs, read_landmark_pairs
from atlalign.registration.landmark_step import with_landmarks
from atlalign.registration.manifest import read_manifest
from atlalign.registration.orienting import OrientationSearch
from atlalign.registration.outcomes import Outcome
from atlalign.registration.point_files import convert_points
from atlalign.registration.point_map import PointMap
from atlalign.registration.points import count_points, locate_points, place_points
from atlalign.registration.position import ProposedPlane, propose_position
from atlalign.registration.quality.position import PositionSearch
from atlalign.registration.registrar import Registrar, register
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration, read_registration
from atlalign.registration.series import BadSection, SeriesPlanes, find_series_planes, section_number
from atlalign.registration.steps import Step

__all__ = [
    "BadSection",
    "BatchFiles",
    "LandmarkPairs",
    "OrientationSearch",
    "Outcome",
    "PointMap",
    "PositionSearch",
    "ProposedPlane",
    "Registrar",
    "Registration",
    "RegistrationFiles",
    "SavedRegistration",
    "SectionJob",
    "SectionOptions",
    "SeriesPlanes",
    "Step",
    "convert_points",
    "count_points",
    "find_sections",
    "find_series_planes",
    "locate_points",
    "place_points",
    "propose_position",
    "read_groups",
    "read_landmark_pairs",
    "read_manifest",
    "read_registration",
    "register",
    "register_batch",
    "register_images",
    "section_number",
    "structure_areas",
    "with_landmarks",
]
