"""HDR scenes become weights: collection, virtual camera, pairs, loss, training."""
