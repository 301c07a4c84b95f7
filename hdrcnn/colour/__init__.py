"""Colour maths: transfer curves, primaries, PQ and HLG, ICC profiles, clipping levels."""

REFERENCE_WHITE = 203.0
"""Default luminance of linear 1.0, cd/m^2: HDR reference white (ITU-R BT.2408, table 1)."""
