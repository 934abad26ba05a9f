"""Registration: a new section in, everything about it out."""

from atlalign.registration.files import RegistrationFiles
from atlalign.registration.registrar import Registrar, register, register_images
from atlalign.registration.result import Registration, Step

__all__ = ["Registrar", "Registration", "RegistrationFiles", "Step", "register", "register_images"]
