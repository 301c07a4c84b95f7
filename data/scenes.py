"""The computed scenes, as nested dicts for `mitsuba.load_dict` of Mitsuba 3.

Lengths are in metres; y is up, -z straight ahead. Emitters are linear Rec. 709 in cd/m2. Textures
are images, each mapped once onto its face.
"""

from typing import Any

import mitsuba
import numpy as np

mitsuba.set_variant("scalar_rgb")  # The only one that needs neither a compiler nor a GPU.

Dict = dict[str, Any]
Vector = tuple[float, float, float]
T = mitsuba.ScalarTransform4f

BLACK_BODY = {
    2200: (2.280, 0.714, 0.064),
    2700: (1.914, 0.810, 0.191),
    3000: (1.755, 0.849, 0.271),
    4000: (1.406, 0.926, 0.533),
    5000: (1.209, 0.962, 0.762),
}
"""Linear Rec. 709 colours of luminance 1 by temperature in K, from Planck's law and the CIE 1931
functions."""
CANDELAS = 8e4
"""Scale of Mitsuba's sun and sky, cd/m2 per unit: 97,000 lux on the ground at 50 degrees."""
NEON = {"pink": (3200.0, 90.0, 700.0), "turquoise": (60.0, 1500.0, 1900.0)}
BULBS = ((2600, 180, 90), (1900, 1100, 120), (150, 1300, 220), (120, 380, 2600), (1700, 160, 1500))
BOOKS = ((0.5, 0.1, 0.08), (0.1, 0.25, 0.4), (0.6, 0.5, 0.3), (0.12, 0.3, 0.15))
GOODS = ((0.7, 0.2, 0.1), (0.15, 0.3, 0.6), (0.8, 0.6, 0.15), (0.2, 0.5, 0.2), (0.9, 0.85, 0.8))


# Textures: [H, W, 3] or [H, W, 1] float32, linear


def picture(values: np.ndarray) -> Dict:
    """Texture of linear values, [H, W, C], whose first row is at the top."""
    values = np.ascontiguousarray(values[::-1], np.float32)
    return {"type": "bitmap", "bitmap": mitsuba.Bitmap(values), "raw": True}


def tiles(
    colour: Vector, joint: Vector, count: tuple[int, int], shift: float, spread: float
) -> Dict:
    """Texture of `count` rows and columns of tiles.

    Brightness varies by up to a factor of 1 +- `spread` between tiles. Each row is shifted by
    `shift` tiles relative to the one before (0.5: bricks).
    """
    shades = np.random.default_rng(1).uniform(1.0 - spread, 1.0 + spread, count)
    side = 16  # texels per tile
    image = np.kron(shades, np.ones((side, side)))[..., None] * np.array(colour)
    image[::side] = image[:, ::side] = joint
    for row in range(count[0]):
        band = slice(row * side, (row + 1) * side)
        image[band] = np.roll(image[band], round(row * shift * side), axis=1)
    return picture(image)


def patches(low: float, high: float, cells: int) -> Dict:
    """Texture of soft-edged patches between two values: the roughness of wet stone."""
    noise = np.random.default_rng(2).random((cells, cells, 1))
    values = low + (high - low) * np.clip((noise - 0.4) / 0.2, 0.0, 1.0)
    return picture(values)


def stripes(*colours: Vector, turns: int = 1, across: bool = True) -> Dict:
    """Texture of stripes that repeat the colours `turns` times, side by side if `across`, else from
    top to bottom.
    """
    bands = np.tile(np.array(colours), (turns, 1))[None]
    image = np.kron(bands if across else bands.swapaxes(0, 1), np.ones((8, 8, 1)))
    return picture(image)


def shelves(colour: np.ndarray) -> Dict:
    """Texture of a lit shop window: three shelves of goods before a bright wall, each with a strip
    light.
    """
    draw = np.random.default_rng(3)
    height = (np.arange(48)[::-1] / 48.0)[:, None, None]
    board = np.ones((48, 160, 3))
    boards = []
    for _ in range(3):
        image = board.copy()
        for item in range(8):
            top, wide = 48 - draw.integers(16, 34), draw.integers(5, 9)
            image[top:, 20 * item + 10 - wide : 20 * item + 10 + wide] = GOODS[draw.integers(5)]
        image *= 0.35 + 0.65 * height**2
        image[:3], image[-2:] = 5.0, 0.08
        boards.append(image)
    return picture(np.concatenate(boards) * colour)


# Materials


def rgb(value: Vector | np.ndarray | Dict) -> Dict:
    return value if isinstance(value, dict) else {"type": "rgb", "value": [float(v) for v in value]}


def matt(colour: Vector | Dict) -> Dict:
    """Lambertian surface with the given albedo."""
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": rgb(colour)}}


def glazed(colour: Vector | Dict, alpha: float | Dict = 0.0) -> Dict:
    """Diffuse surface under a glossy coat. alpha: roughness (GGX)."""
    if not alpha:
        return {"type": "plastic", "diffuse_reflectance": rgb(colour), "nonlinear": True}
    roughness = alpha if isinstance(alpha, dict) else float(np.sqrt(alpha))
    return {"type": "principled", "base_color": rgb(colour), "roughness": roughness}


def metal(colour: Vector, alpha: float = 0.0) -> Dict:
    surface: Dict = {"specular_reflectance": rgb(colour), "material": "none"}
    if not alpha:
        return {"type": "conductor", **surface}
    return {"type": "roughconductor", "distribution": "ggx", "alpha": alpha, **surface}


def light(luminance: float, kelvin: int) -> np.ndarray:
    return luminance * np.array(BLACK_BODY[kelvin])


# Shapes


def sphere(centre: Vector, radius: float, bsdf: Dict) -> Dict:
    return {"type": "sphere", "center": centre, "radius": radius, "bsdf": bsdf}


def box(centre: Vector, size: Vector, bsdf: Dict, turn: float = 0.0) -> Dict:
    """Box with edges of length `size`, rotated about y by `turn` degrees."""
    half = [edge / 2.0 for edge in size]
    place = T().translate(centre).rotate([0, 1, 0], turn).scale(half)
    return {"type": "cube", "to_world": place, "bsdf": bsdf}


def ground(bsdf: Dict, side: float = 40.0) -> Dict:
    return {"type": "rectangle", "to_world": T().rotate([1, 0, 0], -90).scale(side), "bsdf": bsdf}


def land(colour: Vector, height: float = -0.01) -> Dict:
    """Ground that extends to the horizon."""
    place = T().translate([0, height, 0]).rotate([1, 0, 0], -90).scale(5000)
    return {"type": "rectangle", "to_world": place, "bsdf": matt(colour)}


def panel(corner: Vector, width: float, height: float, turn: float = 0.0, **surface: Any) -> Dict:
    """Rectangle that faces +z, rotated about y by `turn` degrees. corner: its lower left corner as
    seen from the front.
    """
    place = T().translate(corner).rotate([0, 1, 0], turn).scale([width / 2, height / 2, 1.0])
    return {"type": "rectangle", "to_world": place.translate([1, 1, 0]), **surface}


def area(radiance: Vector | np.ndarray | Dict) -> Dict:
    return {"type": "area", "radiance": rgb(radiance)}


def day(elevation: float, azimuth: float) -> Dict:
    """Sun of true size and clear sky. Angles in degrees; azimuth: from -z towards +x."""
    up, turn = np.radians(elevation), np.radians(azimuth)
    sun = [np.cos(up) * np.sin(turn), np.sin(up), -np.cos(up) * np.cos(turn)]
    scale = {"sun_scale": CANDELAS, "sky_scale": CANDELAS}
    frame = T().rotate([1, 0, 0], -90)  # In Mitsuba's sky, z is up.
    return {"type": "sunsky", "turbidity": 2.5, "sun_direction": sun, "to_world": frame, **scale}


def scene(eye: Vector, target: Vector, degrees: float, things: list[Dict]) -> Dict:
    """Scene as seen from `eye`. degrees: horizontal field of view; 360: a panorama."""
    look = {"origin": eye, "target": target, "degrees": degrees}
    return {"look": look, **{f"thing_{i}": thing for i, thing in enumerate(things)}}


# The scenes

SILVER = (0.93, 0.94, 0.95)


def sun_and_spheres() -> Dict:
    """Spheres of mirror, gold, enamel and chalk on stone, with the sun in the picture."""
    paving = tiles((0.34, 0.31, 0.27), (0.12, 0.11, 0.10), (100, 100), 0.0, 0.25)
    wall = tiles((0.55, 0.50, 0.42), (0.30, 0.27, 0.23), (6, 3), 0.5, 0.2)
    bands = stripes((0.75, 0.7, 0.6), (0.1, 0.35, 0.2), turns=3, across=False)
    return scene((0.1, 1.25, 5.6), (0.1, 1.12, 0.0), 58.0, [
        day(14.0, 13.0),
        land((0.30, 0.27, 0.24)),
        ground(glazed(paving, patches(0.35, 0.65, 90))),
        sphere((-1.75, 0.75, -0.6), 0.75, metal(SILVER)),
        sphere((0.05, 0.5, 0.6), 0.5, glazed((0.55, 0.03, 0.02))),
        sphere((1.5, 0.6, -0.5), 0.6, metal((1.0, 0.78, 0.34), 0.2)),
        sphere((-0.85, 0.22, 1.6), 0.22, glazed((0.03, 0.16, 0.45))),
        sphere((0.95, 0.28, 1.5), 0.28, matt((0.8, 0.8, 0.8))),
        sphere((2.6, 0.38, 0.5), 0.38, glazed(bands, 0.08)),
        box((-0.2, 0.45, -1.9), (0.9, 0.9, 0.9), matt((0.6, 0.28, 0.14)), 28.0),
        box((-4.6, 1.6, -4.5), (1.1, 3.2, 1.1), matt(wall), 12.0),
        box((-2.2, 0.35, -6.5), (5.5, 0.7, 0.5), matt(wall), 4.0),
        box((4.4, 1.3, -5.5), (1.1, 2.6, 1.1), matt(wall), -9.0),
        box((8.6, 1.0, -14.0), (6.0, 2.0, 3.0), matt((0.62, 0.6, 0.56)), 15.0),
    ])  # fmt: skip


def white_court() -> Dict:
    """Courtyard with white walls at noon, a pool, and deep shade under a roof."""
    plaster, clay = matt((0.80, 0.78, 0.74)), matt((0.50, 0.20, 0.09))
    shutter, lemon = glazed((0.05, 0.16, 0.35), 0.2), glazed((0.8, 0.6, 0.05), 0.1)
    slabs = tiles((0.52, 0.36, 0.25), (0.30, 0.24, 0.19), (160, 160), 0.0, 0.15)
    boards = stripes((0.20, 0.11, 0.06), (0.15, 0.08, 0.04), turns=20, across=False)
    pillars = [box((-2.1, 1.34, z), (0.36, 2.68, 0.36), plaster) for z in (-4.4, -2.1, 0.2, 2.0)]
    return scene((0.6, 1.65, 6.3), (0.35, 1.15, 0.0), 60.0, [
        day(50.0, 140.0),
        land((0.48, 0.34, 0.25)),
        ground(glazed(slabs, 0.4)),
        box((0.6, 1.6, -5.3), (11.6, 3.2, 0.6), plaster),
        box((-5.2, 1.6, 0.0), (0.6, 3.2, 11.0), plaster),
        box((5.6, 0.9, -1.0), (0.5, 1.8, 8.0), plaster),
        box((0.2, 1.05, -4.98), (1.1, 2.1, 0.08), matt((0.03, 0.03, 0.035))),
        *(box((x, 1.55, -4.97), (0.55, 1.2, 0.06), shutter) for x in (2.6, 3.25)),
        box((-3.5, 2.75, -1.5), (3.2, 0.14, 7.2), matt(boards)),
        *pillars,
        box((0.9, 0.06, 0.2), (3.4, 0.12, 2.4), plaster),
        box((0.9, 0.065, 0.2), (3.0, 0.12, 2.0), glazed((0.02, 0.10, 0.11))),
        box((-0.9, 0.3, -2.5), (0.6, 0.6, 0.6), plaster, 20.0),
        sphere((-0.9, 1.0, -2.5), 0.4, metal(SILVER, 0.03)),
        sphere((3.9, 0.38, -2.6), 0.38, clay),
        box((3.9, 0.95, -2.6), (0.07, 0.6, 0.07), matt((0.12, 0.08, 0.05))),
        sphere((3.9, 1.6, -2.6), 0.55, glazed((0.06, 0.16, 0.04), 0.3)),
        sphere((3.62, 1.5, -2.1), 0.07, lemon),
        sphere((3.95, 1.75, -2.06), 0.07, lemon),
        sphere((-1.2, 0.26, 2.2), 0.26, metal((0.96, 0.64, 0.54), 0.15)),
        sphere((2.75, 0.3, 2.3), 0.3, glazed((0.02, 0.20, 0.24), 0.03)),
    ])  # fmt: skip


def _room() -> list[Dict]:
    """Room with a desk at a window, a wide window opposite, a lamp, and a garden outside."""
    wall, paint = matt((0.74, 0.70, 0.62)), glazed((0.78, 0.78, 0.76), 0.3)
    wood, brass = glazed((0.16, 0.09, 0.05), 0.15), metal((0.95, 0.75, 0.42), 0.2)
    house, pane = matt((0.66, 0.60, 0.50)), matt((0.06, 0.08, 0.10))
    planks = tiles((0.36, 0.22, 0.12), (0.10, 0.06, 0.03), (3, 32), 0.37, 0.2)
    painting = stripes((0.65, 0.6, 0.5), (0.15, 0.3, 0.5), (0.7, 0.35, 0.1), across=False)
    boxes = [
        (wall, (-2.1, 1.3, 0.2), (0.2, 2.8, 4.8)),
        (wall, (-1.7, 1.3, 2.48), (0.8, 2.6, 0.16)),  # around the wide window
        (wall, (1.7, 1.3, 2.48), (0.8, 2.6, 0.16)),
        (wall, (0.0, 0.35, 2.48), (2.6, 0.7, 0.16)),
        (wall, (0.0, 2.45, 2.48), (2.6, 0.3, 0.16)),
        (wall, (-1.45, 1.3, -2.08), (1.1, 2.6, 0.16)),  # around the window over the desk
        (wall, (1.45, 1.3, -2.08), (1.1, 2.6, 0.16)),
        (wall, (0.0, 0.475, -2.08), (1.8, 0.95, 0.16)),
        (wall, (0.0, 2.4, -2.08), (1.8, 0.4, 0.16)),
        (matt((0.26, 0.38, 0.42)), (2.1, 1.3, 0.2), (0.2, 2.8, 4.8)),
        (matt((0.8, 0.8, 0.78)), (0.0, 2.7, 0.2), (4.4, 0.2, 4.8)),
        (glazed(planks, 0.22), (0.0, -0.1, 0.2), (4.4, 0.2, 4.8)),
        (paint, (0.0, 1.57, -2.13), (0.06, 1.25, 0.05)),  # frames and sill
        (paint, (0.0, 1.80, -2.13), (1.8, 0.04, 0.04)),
        (paint, (-0.875, 1.57, -2.13), (0.05, 1.25, 0.05)),
        (paint, (0.875, 1.57, -2.13), (0.05, 1.25, 0.05)),
        (paint, (0.0, 2.175, -2.13), (1.8, 0.05, 0.05)),
        (paint, (0.0, 0.95, -2.03), (2.0, 0.03, 0.2)),
        (paint, (0.0, 1.5, 2.52), (0.08, 1.6, 0.06)),
        (paint, (0.0, 1.75, 2.52), (2.6, 0.06, 0.05)),
        *((wood, (x, 0.36, z), (0.06, 0.72, 0.06)) for x in (-1.15, 1.15) for z in (-1.85, -1.15)),
        (wood, (0.0, 0.74, -1.5), (2.5, 0.04, 0.85)),
        (wood, (1.45, 1.42, -1.88), (0.9, 0.03, 0.24)),
        (wood, (-1.42, 1.75, -1.985), (0.56, 0.72, 0.03)),
        (brass, (-0.82, 0.77, -1.5), (0.16, 0.02, 0.16)),
        (brass, (-0.82, 0.92, -1.5), (0.02, 0.3, 0.02)),
        (matt((0.10, 0.22, 0.40)), (0.82, 0.785, -1.4), (0.26, 0.05, 0.19)),
        (matt((0.55, 0.12, 0.10)), (0.83, 0.825, -1.4), (0.23, 0.03, 0.17)),
        (matt((0.70, 0.66, 0.52)), (0.82, 0.86, -1.4), (0.21, 0.04, 0.16)),
        (house, (2.4, 1.6, -22.0), (7.0, 4.8, 6.0)),
        (matt((0.32, 0.11, 0.06)), (2.4, 4.3, -22.0), (7.6, 0.6, 6.6)),
        *((pane, (x, y, -18.99), (0.9, 1.3, 0.2)) for x in (1.2, 3.2) for y in (0.7, 2.7)),
    ]
    books = []
    for number in range(9):
        high, colour = 0.22 + 0.03 * (number * 7 % 4), BOOKS[number * 5 % 4]
        centre = (1.12 + 0.055 * number, 1.44 + high / 2.0, -1.88)
        books.append(box(centre, (0.045, high, 0.17), glazed(colour, 0.3)))
    return [
        day(10.0, 150.0),
        *(box(centre, size, bsdf) for bsdf, centre, size in boxes),
        *books,
        panel((-1.65, 1.44, -1.965), 0.46, 0.62, bsdf=matt(painting)),
        {**sphere((-0.82, 1.13, -1.5), 0.065, matt((0, 0, 0))), "on": area(light(25000.0, 2700))},
        sphere((-0.22, 0.89, -1.48), 0.13, metal((0.95, 0.93, 0.88))),
        sphere((0.42, 0.90, -1.58), 0.14, glazed((0.78, 0.77, 0.74))),
        sphere((0.12, 0.81, -1.25), 0.05, glazed((0.75, 0.28, 0.04), 0.1)),
        sphere((0.23, 0.805, -1.19), 0.045, glazed((0.35, 0.55, 0.06), 0.1)),
        sphere((-5.6, 1.1, -16.0), 1.9, matt((0.07, 0.14, 0.04))),
        sphere((-3.4, 0.1, -13.0), 1.0, matt((0.09, 0.15, 0.04))),
        land((0.14, 0.19, 0.06), -0.8),
    ]


def desk_by_window() -> Dict:
    """Desk in lamplight and daylight, with a garden in the evening sun behind it."""
    return scene((0.45, 1.42, 0.95), (0.02, 1.16, -1.6), 60.0, _room())


def room_panorama() -> Dict:
    """Panorama of the same room, from its middle."""
    return scene((0.1, 1.35, 0.2), (0.1, 1.35, -1.6), 360.0, _room())


def _shop(x: float, width: float, luminance: float, kelvin: int) -> list[Dict]:
    """Shop window with its frame; x: its left edge."""
    frame, middle = glazed((0.05, 0.05, 0.06), 0.2), x + width / 2.0
    return [
        panel((x, 0.55, -3.98), width, 1.44, on=area(shelves(light(luminance, kelvin)))),
        *(box((middle, y, -3.95), (width + 0.12, 0.07, 0.1), frame) for y in (0.52, 2.03)),
        *(box((x + edge, 1.27, -3.95), (0.06, 1.5, 0.1), frame) for edge in (-0.03, width + 0.03)),
    ]


def _lamp_post(x: float, z: float, luminance: float, kelvin: int) -> list[Dict]:
    post = glazed((0.06, 0.07, 0.06), 0.25)
    return [
        box((x, 1.35, z), (0.08, 2.7, 0.08), post),
        box((x, 0.1, z), (0.24, 0.2, 0.24), post),
        {**sphere((x, 2.87, z), 0.17, matt((0, 0, 0))), "on": area(light(luminance, kelvin))},
    ]


def night_market() -> Dict:
    """Shop windows, neon, bulbs and street lamps over wet asphalt."""
    bricks = tiles((0.26, 0.12, 0.08), (0.18, 0.16, 0.14), (75, 100), 0.5, 0.3)
    bulbs = []
    for number in range(9):
        s = number / 8.0
        centre = (-3.4 + 6.6 * s, 2.35 + 3.2 * (s - 0.45) ** 2, -2.2 + 1.2 * s)
        bulb = sphere(centre, 0.055, matt((0, 0, 0)))
        bulbs.append({**bulb, "on": area(BULBS[number % 5])})
    return scene((0.0, 1.35, 5.2), (0.0, 1.2, 0.0), 62.0, [
        {"type": "constant", "radiance": rgb((0.012, 0.016, 0.03))},
        ground(glazed((0.07, 0.07, 0.075), patches(0.22, 0.5, 60))),
        box((0.0, 3.0, -4.5), (24.0, 6.0, 1.0), matt(bricks)),
        *_shop(-4.6, 2.4, 220.0, 3000),
        *_shop(-1.3, 1.9, 160.0, 5000),
        *_shop(2.0, 2.8, 260.0, 2700),
        panel((-1.25, 2.32, -3.94), 1.8, 0.09, on=area(NEON["pink"])),
        panel((-1.25, 2.62, -3.94), 1.8, 0.09, on=area(NEON["turquoise"])),
        *bulbs,
        *_lamp_post(-2.6, -0.6, 16000.0, 2200),
        *_lamp_post(3.3, -1.6, 14000.0, 4000),
        sphere((-0.9, 0.32, 0.9), 0.32, metal((0.95, 0.95, 0.95))),
        sphere((0.75, 0.26, 1.2), 0.26, metal((0.60, 0.58, 0.55), 0.15)),
        sphere((-1.75, 0.2, 1.7), 0.2, glazed((0.5, 0.05, 0.04), 0.05)),
        box((1.9, 0.25, 0.0), (0.7, 0.5, 0.5), matt((0.30, 0.20, 0.10)), 25.0),
        box((1.85, 0.68, 0.0), (0.5, 0.36, 0.4), matt((0.10, 0.25, 0.30)), -10.0),
        # Behind the camera, as reflections in the spheres.
        box((0.0, 3.0, 9.5), (24.0, 6.0, 1.0), matt((0.5, 0.47, 0.42))),
        panel((3.6, 0.9, 8.98), 2.2, 1.3, 180.0, on=area(light(160.0, 2700))),
        panel((-1.6, 0.9, 8.98), 1.4, 1.3, 180.0, on=area(light(120.0, 4000))),
    ])  # fmt: skip
