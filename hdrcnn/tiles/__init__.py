"""Pictures of any size in bounded memory. Knows no network: it reads a model's graph.

frame     a picture as a network is shown it: padded, or closed left and right
region    a rectangle of a frame: rows [top, bottom), columns [left, right)
tile      a region that is computed at once, its halo included
halo      pixels around a region that its result depends on; computed, then dropped
strip     rows of a picture, or of a tile, that are worked on together
"""
