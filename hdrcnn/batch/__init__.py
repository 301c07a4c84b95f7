"""Batch conversion: which files, in which order, on which machines, and with which outcome."""
