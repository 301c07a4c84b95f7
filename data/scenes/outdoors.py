"""Two places under a clear sky: against the evening sun, and at noon with the sun behind."""

from data.scenes.daylight import Daylight
from data.scenes.scene import Body, Camera, Cluster, Scene
from data.scenes.shapes import Box, Ground, Sphere
from data.scenes.surfaces import Material
from data.scenes.textures import patches, stripes, tiles

GLAZE = (0.04, 0.04, 0.04)
SILVER = (0.93, 0.94, 0.95)


def sun_and_spheres() -> Scene:
    """Mirror, gold, enamel and chalk on stone, the sun in the picture."""
    paving = tiles((0.34, 0.31, 0.27), (0.12, 0.11, 0.10), (0.8, 0.8), gap=0.02, variation=0.25)
    stone = tiles((0.55, 0.50, 0.42), (0.30, 0.27, 0.23), (0.9, 0.4), (0, 1), gap=0.015, shift=0.5)
    ground = Body(Ground(), Material(paving, GLAZE, patches(0.14, 0.3, 0.9)))
    spheres = (
        Body(Sphere((-1.75, 0.75, -0.6), 0.75), Material(specular=SILVER)),
        Body(Sphere((0.05, 0.5, 0.6), 0.5), Material((0.55, 0.03, 0.02), GLAZE, 0.0)),
        Body(Sphere((1.5, 0.6, -0.5), 0.6), Material(specular=(1.0, 0.78, 0.34), roughness=0.2)),
        Body(Sphere((-0.85, 0.22, 1.6), 0.22), Material((0.03, 0.16, 0.45), GLAZE, 0.0)),
        Body(Sphere((0.95, 0.28, 1.5), 0.28), Material((0.8, 0.8, 0.8))),
        Body(
            Sphere((2.6, 0.38, 0.5), 0.38),
            Material(stripes(((0.75, 0.7, 0.6), (0.1, 0.35, 0.2)), 0.19, 1), GLAZE, 0.08),
        ),
    )
    boxes = (
        Body(Box((-0.2, 0.45, -1.9), (0.9, 0.9, 0.9), 28.0), Material((0.6, 0.28, 0.14))),
        Body(Box((-4.6, 1.6, -4.5), (1.1, 3.2, 1.1), 12.0), Material(stone)),
        Body(Box((-2.2, 0.35, -6.5), (5.5, 0.7, 0.5), 4.0), Material(stone)),
        Body(Box((4.4, 1.3, -5.5), (1.1, 2.6, 1.1), -9.0), Material(stone)),
        Body(Box((8.6, 1.0, -14.0), (6.0, 2.0, 3.0), 15.0), Material((0.62, 0.6, 0.56))),
    )
    daylight = Daylight(elevation=14.0, azimuth=13.0, turbidity=2.6)
    camera = Camera((0.1, 1.25, 5.6), (0.1, 1.12, 0.0), 58.0)
    clusters = (Cluster((ground,)), Cluster(spheres), Cluster(boxes))
    return Scene(clusters, camera, daylight.sky, daylight)


def white_court() -> Scene:
    """White walls at noon, a pool, deep shade under a roof."""
    plaster = Material((0.80, 0.78, 0.74))
    shutter = Material((0.05, 0.16, 0.35), GLAZE, 0.2)
    clay = Material((0.50, 0.20, 0.09))
    leaves = Material((0.06, 0.16, 0.04), GLAZE, 0.3)
    slabs = tiles((0.52, 0.36, 0.25), (0.30, 0.24, 0.19), (0.5, 0.5), gap=0.015, variation=0.15)
    boards = stripes(((0.20, 0.11, 0.06), (0.15, 0.08, 0.04)), 0.18, 2)
    walls = (
        Body(Box((0.6, 1.6, -5.3), (11.6, 3.2, 0.6)), plaster),
        Body(Box((-5.2, 1.6, 0.0), (0.6, 3.2, 11.0)), plaster),
        Body(Box((5.6, 0.9, -1.0), (0.5, 1.8, 8.0)), plaster),
        Body(Box((0.2, 1.05, -4.98), (1.1, 2.1, 0.08)), Material((0.03, 0.03, 0.035))),
        Body(Box((2.6, 1.55, -4.97), (0.55, 1.2, 0.06)), shutter),
        Body(Box((3.25, 1.55, -4.97), (0.55, 1.2, 0.06)), shutter),
    )
    roof = (
        Body(Box((-3.5, 2.75, -1.5), (3.2, 0.14, 7.2)), Material(boards)),
        *(Body(Box((-2.1, 1.34, z), (0.36, 2.68, 0.36)), plaster) for z in (-4.4, -2.1, 0.2, 2.0)),
    )
    pool = (
        Body(Box((0.9, 0.06, 0.2), (3.4, 0.12, 2.4)), plaster),
        Body(Box((0.9, 0.065, 0.2), (3.0, 0.12, 2.0)), Material((0.02, 0.10, 0.11), GLAZE, 0.0)),
    )
    things = (
        Body(Box((-0.9, 0.3, -2.5), (0.6, 0.6, 0.6), 20.0), plaster),
        Body(Sphere((-0.9, 1.0, -2.5), 0.4), Material(specular=SILVER, roughness=0.03)),
        Body(Sphere((3.9, 0.38, -2.6), 0.38), clay),
        Body(Box((3.9, 0.95, -2.6), (0.07, 0.6, 0.07)), Material((0.12, 0.08, 0.05))),
        Body(Sphere((3.9, 1.6, -2.6), 0.55), leaves),
        Body(Sphere((3.62, 1.5, -2.1), 0.07), Material((0.8, 0.6, 0.05), GLAZE, 0.1)),
        Body(Sphere((3.95, 1.75, -2.06), 0.07), Material((0.8, 0.6, 0.05), GLAZE, 0.1)),
        Body(
            Sphere((-1.2, 0.26, 2.2), 0.26), Material(specular=(0.96, 0.64, 0.54), roughness=0.15)
        ),
        Body(Sphere((2.75, 0.3, 2.3), 0.3), Material((0.02, 0.20, 0.24), GLAZE, 0.03)),
    )
    daylight = Daylight(elevation=50.0, azimuth=140.0, turbidity=2.5)
    camera = Camera((0.6, 1.65, 6.3), (0.35, 1.15, 0.0), 60.0)
    ground = Body(Ground(), Material(slabs, GLAZE, 0.4))
    clusters = (Cluster((ground,)), *(Cluster(part) for part in (walls, roof, pool, things)))
    return Scene(clusters, camera, daylight.sky, daylight)
