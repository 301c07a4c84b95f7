"""Of the toolkit; every result names it."""

__version__ = "0.2.0"
