"""Argument parser with the flag syntax of the published command, and help that fits one screen.

    -flag, --flag=value, --flag value, --flag, --noflag, --flag=false, --flagfile=FILE

The syntax is that of absl: no abbreviations, and a value may begin with a dash.
"""

import argparse
import difflib
import itertools
import math
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hdrcnn.files import UserError

HELP = ("-h", "-help", "--help", "--helpshort")
HELP_ALL = ("--help-all", "-help-all", "--helpfull")
FLAGFILE = "flagfile"


class UsageError(UserError):
    """A command line that cannot be understood or contradicts itself."""


def boolean(text: str) -> bool:
    """Parse the value of a switch. An argument of this type may be given without a value."""
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def nonempty(text: str) -> str:
    """Reject an empty text: an empty variable of a script would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give it a name")
    return text


def listed(text: str) -> list[str]:
    """Split a text at its commas; no part may be empty."""
    return [nonempty(part.strip()) for part in text.split(",")]


def number(
    kind: type[float], least: float = -math.inf, most: float = math.inf, word: str = ""
) -> Callable[[str], Any]:
    """Return the type of an argument that is an int or a float within bounds, or a given word.

    least, most: inclusive bounds; without `most` any number passes, even NaN: it is checked where
    the bounds are known. word: text that is accepted instead of a number.
    """
    bounded = math.isfinite(most)

    def parsed(text: str) -> Any:
        if word and text == word:
            return text
        try:
            value = kind(text)
            fits = not bounded or least <= value <= most
        except ValueError:
            fits = False
        if not fits:
            whole = "whole number" if kind is int else "number"
            within = f" within {least:g} to {most:g}" if bounded else ""
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {word and f'{word} or '}a {whole}{within}"
            )
        return value

    return parsed


def unknown(what: str, word: str, known: Iterable[str], hint: str) -> UsageError:
    """Return the error for an unknown word, with the most similar known one as a suggestion."""
    near = difflib.get_close_matches(word, known, 1)
    return UsageError(f"unknown {what} {word}; {f'did you mean {near[0]}? ' if near else ''}{hint}")


def _lines(path: str) -> list[str]:
    """Return the words of a flag file without its comments. A line holds one word, or a flag and
    its value separated by a blank. Raises UsageError.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--{FLAGFILE}={path}: cannot be read: {reason}") from error
    except ValueError as error:
        raise UsageError(f"--{FLAGFILE}={path}: not a text in UTF-8") from error
    words = []
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith(("#", "//")):
            flag, *value = line.split(maxsplit=1)
            if not line.startswith("-") or "=" in flag:
                flag, value = line, []
            if any(word.startswith(("--", "#", "//")) for text in value for word in text.split()):
                raise UsageError(f"--{FLAGFILE}={path}: {line!r} is more than a flag; one a line")
            words += [flag, *value]
    return words


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        width = min(100, shutil.get_terminal_size((100, 24)).columns)
        super().__init__(prog, max_help_position=24, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)

    def _expand_help(self, action: argparse.Action) -> str:
        default = action.default
        if default is None or default is False or default == []:
            return str(action.help)
        shown = ",".join(default) if isinstance(default, list) else default
        shown = f"{shown:g}" if isinstance(shown, float) else shown
        return f"{action.help} (default: {shown})"


class Parser(argparse.ArgumentParser):
    """Argument parser of one command."""

    common: Sequence[str] = ()
    """Names of the arguments that `--help` describes; it only lists the flags of all others, which
    `--help-all` describes. Empty: all."""

    def __init__(self, prog: str, description: str | None, paths: bool = True) -> None:
        """prog: the command as a user types it. description: help text, of which `--help` shows
        only the first line. paths: whether words that are not flags are accepted.
        """
        self.paths = paths
        usage = f"%(prog)s [--flag value ...]{' PATH ...' if paths else ''}"
        super().__init__(
            prog, usage, description, add_help=False, allow_abbrev=False, formatter_class=_Formatter
        )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError in place of exiting."""
        raise UsageError(f"{message.removeprefix('argument ')}; see {HELP_ALL[0]}")

    def switch(self, group: argparse._ArgumentGroup, flag: str, text: str) -> None:
        """Add a flag that is on or off: `--flag`, `--noflag`. text: its help."""
        group.add_argument(flag, type=boolean, default=False, metavar="", help=text)

    def help(self, everything: bool) -> str:
        """Return the text of `--help-all` if `everything`, else that of `--help`: one screen."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        if everything or not self.common:
            formatter.add_text(self.description)
            for group in self._action_groups:
                formatter.start_section(group.title)
                formatter.add_text(group.description)
                formatter.add_arguments(group._group_actions)
                formatter.end_section()
        else:
            formatter.add_text((self.description or "").partition("\n")[0])
            by_name = {action.dest: action for action in self._actions}
            formatter.start_section(None)
            formatter.add_arguments(by_name[dest] for dest in self.common)
            formatter.end_section()
            rest = " ".join(
                action.option_strings[0]
                for action in self._actions
                if action.option_strings and action.dest not in self.common
            )
            more = f"; not here: {rest}" if rest else "."
            formatter.add_text(f"{self.prog} --help-all shows all flags, in groups{more}")
        return formatter.format_help()

    def _flag(self, name: str) -> argparse.Action | None:
        return self._option_string_actions.get(f"--{name}")

    def _spelled(self, argv: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return flags, each as one word `--name=value`, and all other words. Raises UsageError."""
        flags, others, left, read = list[str](), list[str](), deque(argv), set[str]()
        while left:
            word = left.popleft()
            if word == "--":
                return flags, [*others, *left]
            if not word.startswith("-") or word == "-":
                others.append(word)
                continue
            name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
            flag, positive = self._flag(name), self._flag(name.removeprefix("no"))
            if flag is None and positive is not None and positive.type is boolean:
                if equals:
                    raise UsageError(f"--{name} takes no value; see --help-all")
                name, value = name.removeprefix("no"), "false"
            elif flag is None:
                if os.path.lexists(word):
                    raise UsageError(f"{word}: looks like a flag; for the file write ./{word}")
                known = self._option_string_actions
                raise unknown("flag", f"--{name}", known, "see --help-all")
            elif not equals and flag.type is boolean:
                value = "true"
            elif not equals and not left:
                raise UsageError(f"--{name} needs a value; see --help-all")
            elif not equals:
                value = left.popleft()
            if name != FLAGFILE:
                flags.append(f"--{name}={value}")
            elif value not in read:  # Files may name each other.
                read.add(value)
                left.extendleft(reversed(_lines(value)))
        return flags, others

    def _help_asked(self, argv: Iterable[str]) -> Iterator[str]:
        """Yield the words that ask for help, even if others are invalid; values of flags do not
        count.
        """
        words = iter(argv)
        for word in itertools.takewhile(lambda word: word != "--", words):
            if word in (*HELP, *HELP_ALL):
                yield word
            elif word.startswith("-") and "=" not in word:
                flag = self._flag(word.removeprefix("-").removeprefix("-"))
                if flag is not None and flag.type is not boolean:
                    next(words, None)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse a command line. The attribute `given` of the result is the set of flags that were
        given, on the command line or in flag files.

        Prints the help and exits if it is asked for. Raises UsageError.
        """
        asked = set(self._help_asked(argv))
        if asked:
            print(self.help(not asked.isdisjoint(HELP_ALL)), end="")
            sys.exit(0)
        flags, others = self._spelled(argv)
        if others and not self.paths:
            hint = "flags are given as --name=value"
            if self._flag("im_dir") is not None:
                hint = f"name pictures by --im_dir={others[0]}"
            raise UsageError(f"{others[0]!r} is no flag; {hint}, see --help")
        arguments = self.parse_args([*flags, "--", *others] if others else flags)
        arguments.given = frozenset(flag[2:].partition("=")[0] for flag in flags)
        return arguments
