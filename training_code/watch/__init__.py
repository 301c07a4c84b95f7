"""Monitoring of a running training: validation, contact sheets, TensorBoard."""
