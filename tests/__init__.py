"""Tests: one folder per package, files named after the module they test."""
