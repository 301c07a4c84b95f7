"""Settings from files and flags: JSON beside the weights, and `--set section.name=value`.

A configuration is any frozen dataclass that extends `tasks.settings.Schedule`; its plain fields are
flags, and its fields that are dataclasses themselves are sections.
"""

import dataclasses
import importlib
import json
import typing
from pathlib import Path
from typing import Any, TypeVar

from training_code.run.field_types import check_types, is_list
from training_code.tasks.settings import Schedule

Config = TypeVar("Config", bound=Schedule)


class TrainingError(Exception):
    """A run cannot continue; the message is for the user."""


def config_class(name: str) -> type[Schedule]:
    """Return the `Config` class of a task."""
    return importlib.import_module(f"training_code.tasks.{name}_settings").Config


def sections(kind: type[Schedule]) -> dict[str, type]:
    """Types of the sections, by field name."""
    return {
        field.name: type(field.default)
        for field in dataclasses.fields(kind)
        if dataclasses.is_dataclass(field.default)
    }


def flag_fields(kind: type) -> "list[dataclasses.Field[Any]]":
    """The fields that are flags, that is, not sections."""
    return [f for f in dataclasses.fields(kind) if not dataclasses.is_dataclass(f.default)]


def save(config: Schedule, task: str, path: Path) -> None:
    """Write the settings as JSON, with the name of their task."""
    record = {"task": task, **dataclasses.asdict(config)}
    path.write_text(json.dumps(record, indent=1) + "\n")


def _frozen(value: Any) -> Any:
    """Convert JSON lists to tuples, recursively."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def from_json(kind: type[Config], record: dict[str, Any]) -> Config:
    """Rebuild a configuration from the output of `dataclasses.asdict`. Raises TypeError, or
    ValueError that names the field.
    """
    check_types(kind, record)
    known = sections(kind)
    fields = {
        name: _section(name, known[name], value) if name in known else value
        for name, value in record.items()
    }
    return kind(**fields)


def _section(name: str, kind: type, value: Any) -> Any:
    """Build a section from its JSON object. Raises ValueError that names the section."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} {value!r}: a section of settings is needed")
    try:
        check_types(kind, value)
        return kind(**{key: _frozen(item) for key, item in value.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def load(path: Path, task: str) -> Schedule:
    """Read settings that `save` wrote for a task. Raises ValueError that names the file.

    Files of older versions name no task; they are for HDRCNN.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(record, dict):
            raise ValueError("it is not a JSON object of settings")
        of = record.pop("task", "hdrcnn")
        if of != task:
            raise ValueError(f"its task is {of!r}, not {task}; give another --config or --task")
        return from_json(config_class(task), record)
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a training configuration: {error}") from error


def with_overrides(config: Config, settings: list[str], **fields: Any) -> Config:
    """Return a copy of `config` with some settings changed.

    settings: texts such as `exposure.unclipped=0.8,0.98` or `development.jpeg=none`. fields: values
    of fields that are flags. All are applied at once, because one may be valid only with another.
    Raises ValueError that names the setting.
    """
    kinds = sections(type(config))
    given: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        section, _, key = name.strip().partition(".")
        named = dataclasses.fields(kinds[section]) if section in kinds else ()
        known = [field.name for field in named]
        if key not in known or not text:
            choices = known or [f"{section}.…=" for section in kinds]
            raise ValueError(f"--set {setting}: give section.name=value; {', '.join(choices)}")
        value = _value(text)
        if is_list(typing.get_type_hints(kinds[section])[key]) and not isinstance(value, tuple):
            value = (value,)
        try:
            check_types(kinds[section], {key: value})
        except (TypeError, ValueError) as error:
            raise ValueError(f"--set {setting}: {error}") from error
        given.setdefault(section, {})[key] = value
    for section, values in given.items():
        try:
            fields[section] = dataclasses.replace(getattr(config, section), **values)
        except (TypeError, ValueError) as error:
            own = [s for s in settings if s.strip().startswith(f"{section}.")]
            raise ValueError(f"--set {' --set '.join(own)}: {error}") from error
    return dataclasses.replace(config, **fields)


def _value(text: str) -> Any:
    """Parse the value of a setting: a number, `none`, a word, or several separated by commas."""
    parts = [_word(part.strip()) for part in text.split(",")]
    return tuple(parts) if len(parts) > 1 else parts[0]


def _word(text: str) -> Any:
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
