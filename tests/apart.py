"""Calls in a separate process: a process with both Mitsuba and TensorFlow crashes at exit."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import Any


def _call(module: str, name: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(import_module(module), name)(*arguments)


def separate_process(module: str) -> Iterator[Callable[..., Any]]:
    """For a fixture: yield a function that calls functions of `module` by name in that process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda name, *arguments: pool.submit(_call, module, name, arguments).result()
