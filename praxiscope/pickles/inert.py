"""Objects that a pickle can build, call and fill without any effect."""

from typing import ClassVar


class Inert:
    """Base of what a pickle can hold but not change."""

    __slots__ = ()

    def __setstate__(self, *state: object) -> None:
        """Ignore BUILD, on an instance and on the class itself."""


class Sealed(type):
    """The type of classes whose attributes cannot be set."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise AttributeError(f"{cls.__name__} cannot be changed.")


class Placeholder(Inert, metaclass=Sealed):
    """What stands for an unknown class, its instances, or the result of an unknown function."""

    __slots__ = ()
    origin: ClassVar[str] = ""  # "module.name", as the file spells it

    def __new__(cls, *args: object, **kwargs: object) -> "Placeholder":
        """Accept whatever the real class would be built from."""
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> "Placeholder":
        """Accept a call, as of an unknown method."""
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, *items: object) -> None:
        """Ignore APPEND."""

    def extend(self, *items: object) -> None:
        """Ignore APPENDS."""

    def add(self, *items: object) -> None:
        """Ignore ADDITEMS."""

    def __repr__(self) -> str:
        return f"<placeholder for {self.origin}>"


def placeholder_type(unknown: str) -> type[Placeholder]:
    """Return a class that stands for the ``unknown`` class or function."""

    class Named(Placeholder):
        __slots__ = ()
        origin = unknown

    return Named
