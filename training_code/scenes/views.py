"""The views that are taken of scenes, and how many pixels of a scene they need."""

import dataclasses
import math

KINDS = ("panoramas", "HDR photographs", "linearised photographs")


@dataclasses.dataclass(frozen=True)
class Views:
    """Distribution of the views of scenes. Ranges are uniform unless stated otherwise."""

    fov: tuple[float, float] = (75.0, 100.0)
    """Horizontal field of view in a panorama, degrees, uniform in its logarithm."""
    pitch: tuple[float, float] = (-30.0, 30.0)
    """Angle above the horizon of a panorama, degrees."""
    crop: tuple[float, float] = (0.2, 0.6)
    """Width of a crop as a share of the photograph's width; a crop never has fewer pixels than the
    picture made of it."""
    kinds: tuple[float, float, float] | None = None
    """Relative shares of the pictures taken of each of `KINDS`; none: every family of scenes has
    the same share, whatever its kind."""

    def __post_init__(self) -> None:
        for name, least, most in (("fov", 1.0, 179.0), ("pitch", -90.0, 90.0), ("crop", 0.01, 1.0)):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"{name} {low}, {high}: two rising values in [{least}, {most}]")
        if self.kinds is not None and (
            len(self.kinds) != len(KINDS)
            or not all(0.0 <= share < math.inf for share in self.kinds)
            or not sum(self.kinds) > 0
        ):
            raise ValueError(f"kinds {self.kinds}: shares of {', '.join(KINDS)}, not all 0")

    @property
    def sparing(self) -> tuple[float, ...]:
        """The values that `spare` depends on besides its arguments."""
        return self.fov[0], self.crop[0]

    def spare(self, rows: int, columns: int, size: int) -> int:
        """Largest whole factor by which an image can be reduced before views of `size` pixels would
        enlarge it; 1 if it cannot be reduced.

        A panorama keeps the mean sampling of the narrowest view, 360 degrees / fov times `size`
        pixels; the smallest crop of a photograph keeps `size` pixels.
        """
        if columns == 2 * rows:
            return max(1, columns // math.ceil(size * 360.0 / self.fov[0]))
        return max(1, int(min(self.crop[0] * columns, rows, columns) / size))
