"""Checks of values from JSON or a command line against the types of dataclass fields."""

import dataclasses
import types
import typing
from typing import Any


def check_types(record: type, values: dict[str, Any]) -> None:
    """Raises ValueError that names the first value that is not of its field's type.

    record: a dataclass. Fields that are dataclasses themselves, and unknown names, are not checked.
    An integer is accepted for a float, and a list for a tuple.
    """
    hints = typing.get_type_hints(record)
    for name, value in values.items():
        hint = hints.get(name)
        if hint is None or dataclasses.is_dataclass(hint):
            continue
        if not fits(value, hint):
            raise ValueError(f"{name} {value!r}: {described(hint)} is needed")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type: bool, int, float, str, None, a tuple or a union of these."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(fits(value, choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        if not isinstance(value, list | tuple):
            return False
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        return len(kinds) == len(value) and all(map(fits, value, kinds))
    if hint is types.NoneType:
        return value is None
    if isinstance(value, bool):  # bool is a subclass of int.
        return hint is bool
    return isinstance(value, int | float if hint is float else hint)


def is_list(hint: Any) -> bool:
    """Whether a type is a tuple of any length."""
    return typing.get_origin(hint) is tuple and typing.get_args(hint)[-1] is Ellipsis


def described(hint: Any) -> str:
    """Description of a type in words."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(described(choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        if kinds[-1] is Ellipsis:
            return f"a list, each {described(kinds[0])}"
        return f"a list of {len(kinds)}, each {described(kinds[0])}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return words.get(hint, "null")
