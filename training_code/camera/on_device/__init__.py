"""Shots rendered on the accelerator, in `keras.ops`, with the scenes in its memory.

    scenes -> atlas.py    one array of pixels, uploaded once
    keys   -> batches.py  some hundred bytes per shot, drawn on the host
           -> camera.py   view, exposure, sensor, development, JPEG: picture and target

Renders the same shots as the loader on the host, `camera.batches`, but keeps up with a GPU. Both
kinds of scene, every curve and every JPEG quality take the same path through one graph without
branches, compiled once.
"""
