"""Pure maths of light and colour: curves, primaries, PQ, profiles."""

REFERENCE_WHITE = 203.0
"""cd/m^2 of linear 1.0 (ITU-R BT.2408, table 1)."""
