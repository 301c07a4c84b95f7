"""Sun and clear sky: the analytic model of Preetham, Shirley and Smits 1999 (SIGGRAPH).

The sky's luminance and chromaticity follow Perez' five-parameter distribution, fitted to
simulated skies (Preetham et al., Appendix 1); the sun is a black body behind their atmosphere of
air molecules and aerosol (Appendix 2; ozone, mixed gases and water vapour are left out).
"""

import dataclasses
import functools

import numpy as np

from data.scenes.spectra import WAVELENGTHS, XYZ_TO_RGB, black_body, to_rgb
from data.scenes.vectors import Array, column, dot, sample_cone, sample_disc, to_world

SUN_TEMPERATURE = 5778.0
"""K."""
SUN_RADIUS = 0.2666
"""Mean angular radius seen from Earth, degrees."""

# Perez coefficients A to E (columns) of luminance, x and y (rows), linear in turbidity.
_PEREZ_SLOPE = np.array(
    [
        [0.1787, -0.3554, -0.0227, 0.1206, -0.0670],
        [-0.0193, -0.0665, -0.0004, -0.0641, -0.0033],
        [-0.0167, -0.0950, -0.0079, -0.0441, -0.0109],
    ]
)
_PEREZ_OFFSET = np.array(
    [
        [-1.4630, 0.4275, 5.3251, -2.5771, 0.3703],
        [-0.2592, 0.0008, 0.2125, -0.8989, 0.0452],
        [-0.2608, 0.0092, 0.2102, -1.6537, 0.0529],
    ]
)
# Zenith chromaticity: rows turbidity^2, turbidity, 1; columns angle^3, angle^2, angle, 1.
_ZENITH_X = np.array(
    [
        [0.00166, -0.00375, 0.00209, 0.0],
        [-0.02903, 0.06377, -0.03202, 0.00394],
        [0.11693, -0.21196, 0.06052, 0.25886],
    ]
)
_ZENITH_Y = np.array(
    [
        [0.00275, -0.00610, 0.00317, 0.0],
        [-0.04214, 0.08970, -0.04153, 0.00516],
        [0.15346, -0.26756, 0.06670, 0.26688],
    ]
)


@dataclasses.dataclass(frozen=True)
class Daylight:
    """A clear day."""

    elevation: float
    """Of the sun above the horizon, degrees, in (0, 90]."""
    azimuth: float
    """Of the sun: degrees from -z (straight ahead) towards +x (to the right)."""
    turbidity: float = 3.0
    """Haze: 2 is a clear, 3 an ordinary, 6 a hazy day."""
    sun_scale: float = 1.0
    """Radius of the sun's disc in true ones; its irradiance stays, so its radiance falls."""

    @functools.cached_property
    def sun_direction(self) -> Array:
        """Towards the sun, [3, 1]."""
        up, turn = np.radians(self.elevation), np.radians(self.azimuth)
        return column((np.cos(up) * np.sin(turn), np.sin(up), -np.cos(up) * np.cos(turn)))

    @functools.cached_property
    def sun_gap(self) -> float:
        """1 - cosine of the disc's angular radius."""
        return float(2.0 * np.sin(np.radians(SUN_RADIUS * self.sun_scale) / 2.0) ** 2)

    @functools.cached_property
    def sun_radiance(self) -> Array:
        """Of the disc, [3, 1] cd/m2, after the atmosphere (Preetham et al., Appendix 2)."""
        zenith_angle = 90.0 - self.elevation
        mass = 1.0 / (np.cos(np.radians(zenith_angle)) + 0.15 * (93.885 - zenith_angle) ** -1.253)
        micrometres = WAVELENGTHS / 1000.0
        molecules = 0.008735 * micrometres**-4.08
        aerosol = (0.04608 * self.turbidity - 0.04586) * micrometres**-1.3
        light = black_body(SUN_TEMPERATURE) * np.exp(-mass * (molecules + aerosol))
        return column(to_rgb(light)) / np.float32(self.sun_scale**2)

    @functools.cached_property
    def _zenith(self) -> Array:
        """Luminance in cd/m2, x and y of the zenith, [3] (Preetham et al., Eqs. A2)."""
        angle = np.radians(90.0 - self.elevation)
        haze = self.turbidity
        chi = (4.0 / 9.0 - haze / 120.0) * (np.pi - 2.0 * angle)
        luminance = (4.0453 * haze - 4.9710) * np.tan(chi) - 0.2155 * haze + 2.4192
        powers = np.array([angle**3, angle**2, angle, 1.0])
        chromaticity = [np.array([haze**2, haze, 1.0]) @ m @ powers for m in (_ZENITH_X, _ZENITH_Y)]
        return np.array([1000.0 * luminance, *chromaticity])

    def _perez(self, cos_zenith: Array, cos_sun: Array) -> Array:
        """Perez' F for luminance, x and y: [3, N] (Preetham et al., Eq. 3)."""
        a, b, c, d, e = (
            (self.turbidity * _PEREZ_SLOPE + _PEREZ_OFFSET).T[..., None].astype(np.float32)
        )
        sun_angle = np.arccos(np.clip(cos_sun, -1.0, 1.0))
        towards_horizon = 1.0 + a * np.exp(b / np.maximum(cos_zenith, 1e-3))
        return towards_horizon * (1.0 + c * np.exp(d * sun_angle) + e * cos_sun**2)

    def sky(self, direction: Array) -> Array:
        """Radiance of the sky without the sun's disc, [3, N] cd/m2.

        Below the horizon the sky of the horizon goes on.
        """
        at_zenith = self._perez(np.ones(1, np.float32), self.sun_direction[1])
        scale = (self._zenith[:, None] / at_zenith).astype(np.float32)
        luminance, x, y = scale * self._perez(direction[1], dot(self.sun_direction, direction))
        xyz = np.stack([x * (luminance / y), luminance, (1.0 - x - y) * (luminance / y)])
        return np.maximum(XYZ_TO_RGB.astype(np.float32) @ xyz, 0.0)

    @functools.cached_property
    def sun_irradiance(self) -> Array:
        """On a surface that faces the sun, [3, 1] lux."""
        return self.sun_radiance / np.float32(self.sun_density)

    @functools.cached_property
    def sky_irradiance(self) -> Array:
        """Of the sky on the ground, [3, 1] lux: the mean over a grid of equal shares of it."""
        u, v = np.meshgrid((np.arange(256) + 0.5) / 256, (np.arange(256) + 0.5) / 256)
        x, z = sample_disc(u.ravel(), v.ravel())
        up = np.stack([x, np.sqrt(1.0 - x * x - z * z), z]).astype(np.float32)
        return np.float32(np.pi) * np.mean(self.sky(up), axis=1, keepdims=True)

    def sample_sun(self, u: Array, v: Array) -> Array:
        """Uniform directions on the sun's disc, [3, N]."""
        local, _ = sample_cone(self.sun_gap, u, v)
        return to_world(local, np.broadcast_to(self.sun_direction, local.shape))

    @property
    def sun_density(self) -> float:
        """Of these directions, per steradian."""
        return 1.0 / (2.0 * np.pi * self.sun_gap)

    def in_sun(self, direction: Array) -> Array:
        """Which directions meet the sun's disc, [N] bool."""
        # |d - s|^2 = 2 (1 - cosine): the cosine itself cannot tell the disc's edge in float32.
        gap = direction - self.sun_direction
        return dot(gap, gap) <= 2.0 * self.sun_gap
