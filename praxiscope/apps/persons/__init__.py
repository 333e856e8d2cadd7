"""Person boxes for ``praxiscope detect``, from whatever finds persons here."""

from praxiscope.apps.persons.find import find_provider
from praxiscope.apps.persons.provider import PersonProvider, Persons

__all__ = ["PersonProvider", "Persons", "find_provider"]
