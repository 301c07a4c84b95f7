"""Tests: a folder for each package, files named for the module."""
