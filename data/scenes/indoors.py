"""A desk by a window, with a lamp."""

import dataclasses

from data.scenes.backdrop import Backdrop, Thing
from data.scenes.daylight import Daylight
from data.scenes.scene import Body, Camera, Cluster, PanoramaCamera, Scene
from data.scenes.shapes import Box, Ground, Rectangle, Sphere
from data.scenes.spectra import lamp
from data.scenes.surfaces import Material
from data.scenes.textures import stripes, tiles

GLAZE = (0.04, 0.04, 0.04)
WALL = Material((0.74, 0.70, 0.62))
WHITE_PAINT = Material((0.78, 0.78, 0.76), GLAZE, 0.3)
DARK_WOOD = Material((0.16, 0.09, 0.05), GLAZE, 0.15)


def _bodies(material: Material, *shapes: Box) -> tuple[Body, ...]:
    return tuple(Body(shape, material) for shape in shapes)


def _shell() -> tuple[Body, ...]:
    """Floor, ceiling and walls; the window is x -0.9 to 0.9, y 0.95 to 2.2 in the back wall.

    Behind the camera is another, x -1.3 to 1.3, y 0.7 to 2.3.
    """
    planks = tiles(
        (0.36, 0.22, 0.12), (0.10, 0.06, 0.03), (0.14, 1.6), (0, 2), gap=0.004, shift=0.37
    )
    return (
        Body(Box((0.0, -0.1, 0.2), (4.4, 0.2, 4.8)), Material(planks, GLAZE, 0.22)),
        Body(Box((0.0, 2.7, 0.2), (4.4, 0.2, 4.8)), Material((0.8, 0.8, 0.78))),
        Body(Box((-2.1, 1.3, 0.2), (0.2, 2.8, 4.8)), WALL),
        Body(Box((2.1, 1.3, 0.2), (0.2, 2.8, 4.8)), Material((0.26, 0.38, 0.42))),
        *_bodies(
            WALL,
            Box((-1.7, 1.3, 2.48), (0.8, 2.6, 0.16)),
            Box((1.7, 1.3, 2.48), (0.8, 2.6, 0.16)),
            Box((0.0, 0.35, 2.48), (2.6, 0.7, 0.16)),
            Box((0.0, 2.45, 2.48), (2.6, 0.3, 0.16)),
            Box((-1.45, 1.3, -2.08), (1.1, 2.6, 0.16)),
            Box((1.45, 1.3, -2.08), (1.1, 2.6, 0.16)),
            Box((0.0, 0.475, -2.08), (1.8, 0.95, 0.16)),
            Box((0.0, 2.4, -2.08), (1.8, 0.4, 0.16)),
        ),
    )


def _window() -> tuple[Body, ...]:
    """Frames and sill."""
    return _bodies(
        WHITE_PAINT,
        Box((0.0, 1.57, -2.13), (0.06, 1.25, 0.05)),
        Box((0.0, 1.80, -2.13), (1.8, 0.04, 0.04)),
        Box((-0.875, 1.57, -2.13), (0.05, 1.25, 0.05)),
        Box((0.875, 1.57, -2.13), (0.05, 1.25, 0.05)),
        Box((0.0, 2.175, -2.13), (1.8, 0.05, 0.05)),
        Box((0.0, 0.95, -2.03), (2.0, 0.03, 0.2)),
        Box((0.0, 1.5, 2.52), (0.08, 1.6, 0.06)),
        Box((0.0, 1.75, 2.52), (2.6, 0.06, 0.05)),
    )


def _desk() -> tuple[Body, ...]:
    """A desk under the window; on it a lamp, a silver ball, a vase, an orange and books."""
    legs = [Box((x, 0.36, z), (0.06, 0.72, 0.06)) for x in (-1.15, 1.15) for z in (-1.85, -1.15)]
    brass = Material(specular=(0.95, 0.75, 0.42), roughness=0.2)
    return (
        *_bodies(DARK_WOOD, *legs, Box((0.0, 0.74, -1.5), (2.5, 0.04, 0.85))),
        Body(Box((-0.82, 0.77, -1.5), (0.16, 0.02, 0.16)), brass),
        Body(Box((-0.82, 0.92, -1.5), (0.02, 0.3, 0.02)), brass),
        Body(Sphere((-0.82, 1.13, -1.5), 0.065), Material(emission=lamp(25000.0, 2700.0))),
        Body(Sphere((-0.22, 0.89, -1.48), 0.13), Material(specular=(0.95, 0.93, 0.88))),
        Body(Sphere((0.42, 0.90, -1.58), 0.14), Material((0.78, 0.77, 0.74), GLAZE, 0.0)),
        Body(Sphere((0.12, 0.81, -1.25), 0.05), Material((0.75, 0.28, 0.04), GLAZE, 0.1)),
        Body(Sphere((0.23, 0.805, -1.19), 0.045), Material((0.35, 0.55, 0.06), GLAZE, 0.1)),
        Body(Box((0.82, 0.785, -1.4), (0.26, 0.05, 0.19), 15.0), Material((0.10, 0.22, 0.40))),
        Body(Box((0.83, 0.825, -1.4), (0.23, 0.03, 0.17), 2.0), Material((0.55, 0.12, 0.10))),
        Body(Box((0.82, 0.86, -1.4), (0.21, 0.04, 0.16), 24.0), Material((0.70, 0.66, 0.52))),
    )


def _shelf() -> tuple[Body, ...]:
    """A board with books to the right of the window, and a picture to the left."""
    colours = ((0.5, 0.1, 0.08), (0.1, 0.25, 0.4), (0.6, 0.5, 0.3), (0.12, 0.3, 0.15))
    books = []
    for number in range(9):
        high = 0.22 + 0.03 * (number * 7 % 4)
        box = Box((1.12 + 0.055 * number, 1.44 + high / 2.0, -1.88), (0.045, high, 0.17))
        books.append(Body(box, Material(colours[number * 5 % 4], GLAZE, 0.3)))
    painting = stripes(((0.65, 0.6, 0.5), (0.15, 0.3, 0.5), (0.7, 0.35, 0.1)), 0.16, 1)
    return (
        *books,
        Body(Box((1.45, 1.42, -1.88), (0.9, 0.03, 0.24)), DARK_WOOD),
        Body(Box((-1.42, 1.75, -1.985), (0.56, 0.72, 0.03)), DARK_WOOD),
        Body(
            Rectangle((-1.65, 1.44, -1.965), (0.46, 0.0, 0.0), (0.0, 0.62, 0.0)),
            Material(painting),
        ),
    )


def _outside(daylight: Daylight) -> Backdrop:
    house, roof, pane = (0.66, 0.60, 0.50), (0.32, 0.11, 0.06), (0.06, 0.08, 0.10)
    things: list[Thing] = [
        (Ground(-0.8), (0.14, 0.19, 0.06)),
        (Box((2.4, 1.6, -22.0), (7.0, 4.8, 6.0), 24.0), house),
        (Box((2.4, 4.3, -22.0), (7.6, 0.6, 6.6), 24.0), roof),
        (Sphere((-5.6, 1.1, -16.0), 1.9), (0.07, 0.14, 0.04)),
        (Sphere((-3.4, 0.1, -13.0), 1.0), (0.09, 0.15, 0.04)),
    ]
    for x, z in ((1.5, -18.3), (2.9, -18.95)):
        things += [(Box((x, y, z), (0.9, 1.3, 0.2), 24.0), pane) for y in (0.7, 2.7)]
    return Backdrop(daylight, tuple(things), (0.0, 1.5, -2.0))


def desk_by_window() -> Scene:
    """Lamplight and daylight: a desk, behind it a garden in the evening sun."""
    daylight = Daylight(elevation=10.0, azimuth=150.0, turbidity=2.5)
    clusters = (Cluster(_shell()), Cluster(_window()), Cluster(_desk()), Cluster(_shelf()))
    openings = (
        Rectangle((-0.9, 0.95, -2.16), (1.8, 0.0, 0.0), (0.0, 1.25, 0.0)),
        Rectangle((-1.3, 0.7, 2.56), (2.6, 0.0, 0.0), (0.0, 1.6, 0.0)),
    )
    camera = Camera((0.45, 1.42, 0.95), (0.02, 1.16, -1.6), 60.0)
    return Scene(
        clusters, camera, _outside(daylight), daylight, portals=openings, portal_luminance=2000.0
    )


def room_panorama() -> Scene:
    """The same room all around, from its middle: the window over the desk, the wide one behind."""
    camera = PanoramaCamera((0.1, 1.35, 0.2), (0.1, 1.35, -1.6))
    return dataclasses.replace(desk_by_window(), camera=camera)
