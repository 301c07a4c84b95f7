"""Tests: one file for each stage of the way of the data, named for it."""
