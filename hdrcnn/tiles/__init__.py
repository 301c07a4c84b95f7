"""Run networks on images of any size in bounded memory. No network is special-cased: how it can be
computed in parts is derived from its graph.

frame     an image as a network sees it: padded, or joined left to right
region    a rectangle of a frame: rows [top, bottom), columns [left, right)
tile      a region that is computed at once, halo included
halo      pixels around a region that its result depends on; computed, then dropped
strip     rows of an image, or of a tile, that are processed together
"""
