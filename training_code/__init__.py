"""Training and evaluation: from HDR scenes to weights, and from weights to figures."""
