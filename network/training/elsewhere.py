"""Names of other libraries whose attributes say what to use here."""

from typing import Any, NoReturn


class Elsewhere:
    """What other libraries have under a name: reading it raises an error that says what to use."""

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        """Note the name."""
        self._name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        """Raise the error."""
        raise AttributeError(f"{owner.__name__} has no {self._name}: {self._instead}")


class NotHere(Elsewhere):
    """The same of what cannot be set, either."""

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        """Raise the error."""
        self.__get__(instance, type(instance))
