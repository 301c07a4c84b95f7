"""HDR scenes computed from nothing: shapes, surfaces, daylight, lights, and a path tracer.

    outdoors, indoors, night -> scene.Scene -> renderer.render, twice -> denoise.denoise

Conventions of all files here: batches of points, directions and colours are [3, N] float32,
so that every component is contiguous; directions are unit vectors; metres; y is up; colours are
linear Rec. 709, radiometric ones scaled to photometric units: white of 1 has 1 cd/m2.
"""
