"""From codes to light: one image through a network, and the blend."""
