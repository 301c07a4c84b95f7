"""Readers for image files of many formats: their samples as stored, and their metadata."""
