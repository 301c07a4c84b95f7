"""A street with shops after rain, at night."""

from data.scenes.scene import Body, Camera, Cluster, Scene, uniform_sky
from data.scenes.shapes import Box, Ground, Rectangle, Sphere
from data.scenes.spectra import lamp
from data.scenes.surfaces import Material
from data.scenes.textures import patches, shop_window, tiles

GLAZE = (0.04, 0.04, 0.04)
STEEL = (0.60, 0.58, 0.55)
WALL_Z = -4.0
GOODS = ((0.7, 0.2, 0.1), (0.15, 0.3, 0.6), (0.8, 0.6, 0.15), (0.2, 0.5, 0.2), (0.9, 0.85, 0.8))


def _shop(x: float, width: float, luminance: float, temperature: float) -> tuple[Body, ...]:
    """A window from x on, with its frame and a canopy."""
    corner = (x, 0.55, WALL_Z + 0.02)
    colour = lamp(luminance, temperature)
    light = shop_window(colour, GOODS, corner, 0.48)
    frame = Material((0.05, 0.05, 0.06), GLAZE, 0.2)
    middle = x + width / 2.0
    return (
        Body(
            Rectangle(corner, (width, 0.0, 0.0), (0.0, 1.44, 0.0)),
            Material(emission=light),
        ),
        Body(Box((middle, 0.52, WALL_Z + 0.05), (width + 0.12, 0.06, 0.1)), frame),
        Body(Box((middle, 2.03, WALL_Z + 0.05), (width + 0.12, 0.08, 0.1)), frame),
        Body(Box((x - 0.03, 1.27, WALL_Z + 0.05), (0.06, 1.5, 0.1)), frame),
        Body(Box((x + width + 0.03, 1.27, WALL_Z + 0.05), (0.06, 1.5, 0.1)), frame),
    )


def _neon(corner: tuple[float, float, float], width: float, height: float, colour: tuple) -> Body:
    shape = Rectangle(corner, (width, 0.0, 0.0), (0.0, height, 0.0))
    return Body(shape, Material(emission=colour))


def _bulbs() -> tuple[Body, ...]:
    """A chain of coloured bulbs that hangs across the street."""
    colours = (
        (2600.0, 180.0, 90.0),
        (1900.0, 1100.0, 120.0),
        (150.0, 1300.0, 220.0),
        (120.0, 380.0, 2600.0),
        (1700.0, 160.0, 1500.0),
    )
    bulbs = []
    for number in range(9):
        s = number / 8.0
        x, y, z = -3.4 + 6.6 * s, 2.35 + 3.2 * (s - 0.45) ** 2, -2.2 + 1.2 * s
        bulbs.append(Body(Sphere((x, y, z), 0.055), Material(emission=colours[number % 5])))
    return tuple(bulbs)


def _lamp_post(x: float, z: float, luminance: float, temperature: float) -> tuple[Body, ...]:
    post = Material((0.06, 0.07, 0.06), GLAZE, 0.25)
    return (
        Body(Box((x, 1.35, z), (0.08, 2.7, 0.08)), post),
        Body(Box((x, 0.1, z), (0.24, 0.2, 0.24)), post),
        Body(Sphere((x, 2.87, z), 0.17), Material(emission=lamp(luminance, temperature))),
    )


def night_market() -> Scene:
    """Shop windows, neon, bulbs and street lamps over wet asphalt."""
    bricks = tiles((0.26, 0.12, 0.08), (0.18, 0.16, 0.14), (0.24, 0.08), (0, 1), 0.012, 0.5, 0.3)
    wet = Material((0.07, 0.07, 0.075), GLAZE, patches(0.05, 0.25, 1.3))
    street = (
        Body(Sphere((-0.9, 0.32, 0.9), 0.32), Material(specular=(0.95, 0.95, 0.95))),
        Body(Sphere((0.75, 0.26, 1.2), 0.26), Material(specular=STEEL, roughness=0.15)),
        Body(Sphere((-1.75, 0.2, 1.7), 0.2), Material((0.5, 0.05, 0.04), GLAZE, 0.05)),
        Body(Box((1.9, 0.25, 0.0), (0.7, 0.5, 0.5), 25.0), Material((0.30, 0.20, 0.10))),
        Body(Box((1.85, 0.68, 0.0), (0.5, 0.36, 0.4), -10.0), Material((0.10, 0.25, 0.30))),
    )
    # Behind the camera: what the spheres mirror.
    across = (
        Body(Box((0.0, 3.0, 9.5), (24.0, 6.0, 1.0)), Material((0.5, 0.47, 0.42))),
        Body(
            Rectangle((3.6, 0.9, 8.98), (-2.2, 0.0, 0.0), (0.0, 1.3, 0.0)),
            Material(emission=lamp(160.0, 2800.0)),
        ),
        Body(
            Rectangle((-1.6, 0.9, 8.98), (-1.4, 0.0, 0.0), (0.0, 1.3, 0.0)),
            Material(emission=lamp(120.0, 3500.0)),
        ),
    )
    clusters = (
        Cluster((Body(Ground(), wet),)),
        Cluster((Body(Box((0.0, 3.0, WALL_Z - 0.5), (24.0, 6.0, 1.0)), Material(bricks)),)),
        Cluster(_shop(-4.6, 2.4, 220.0, 3000.0)),
        Cluster(_shop(-1.3, 1.9, 160.0, 5000.0)),
        Cluster(_shop(2.0, 2.8, 260.0, 2700.0)),
        Cluster(
            (
                _neon((-1.25, 2.32, WALL_Z + 0.06), 1.8, 0.09, (3200.0, 90.0, 700.0)),
                _neon((-1.25, 2.62, WALL_Z + 0.06), 1.8, 0.09, (60.0, 1500.0, 1900.0)),
            )
        ),
        Cluster(_bulbs()),
        Cluster(_lamp_post(-2.6, -0.6, 16000.0, 2200.0)),
        Cluster(_lamp_post(3.3, -1.6, 14000.0, 4000.0)),
        Cluster(street),
        Cluster(across),
    )
    camera = Camera((0.0, 1.35, 5.2), (0.0, 1.2, 0.0), 62.0)
    return Scene(clusters, camera, uniform_sky((0.012, 0.016, 0.03)))
