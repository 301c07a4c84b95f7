"""Shots taken on the accelerator, in `keras.ops`, with the scenes in its memory.

    scenes -> atlas.py    one array of pixels, uploaded once
    keys   -> batches.py  some hundred bytes a shot, drawn on the host
           -> camera.py   view, exposure, sensor, development, JPEG: picture and target

The loader of the host, `camera.batches`, takes the same shots; here a GPU takes as many as it
trains on. Both kinds of scene, every curve and every JPEG quality go one way through one graph
without branches, compiled once.
"""
