"""From codes to light: one picture through a network, and the blend."""
