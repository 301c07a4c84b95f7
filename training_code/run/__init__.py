"""A training run: settings, start, checkpoints, record."""
