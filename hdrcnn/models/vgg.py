"""The blocks of VGG16, shared by the networks that use it as encoder."""

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Convolutions in each block."""
CHANNELS = (1, 2, 4, 8, 8)
"""Channels of each block, in units of the width."""
