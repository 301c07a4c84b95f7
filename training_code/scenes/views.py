"""How scenes are looked at, and how many of their pixels that takes."""

import dataclasses
import math

KINDS = ("panoramas", "HDR photographs", "linearised photographs")


@dataclasses.dataclass(frozen=True)
class Views:
    """How scenes are looked at: ranges, uniform where nothing else is said."""

    fov: tuple[float, float] = (75.0, 100.0)
    """Horizontal field of view in a panorama, degrees; uniform in its logarithm, as scales are."""
    pitch: tuple[float, float] = (-30.0, 30.0)
    """Above the horizon of a panorama, degrees."""
    crop: tuple[float, float] = (0.2, 0.6)
    """Width of a crop in widths of the photograph; never fewer pixels than the result has."""
    kinds: tuple[float, float, float] | None = None
    """Relative shares of the pictures taken of each of `KINDS`; none: every family of scenes counts
    the same, whatever its kind."""

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
        """What `spare` depends on, beside its arguments."""
        return self.fov[0], self.crop[0]

    def spare(self, rows: int, columns: int, size: int) -> int:
        """How many times smaller an image may be before a view of `size` pixels would enlarge it:
        a whole number, 1 where nothing is to spare.

        A panorama keeps the mean sampling of the narrowest view, 360 degrees / fov times `size`
        pixels; of a photograph the smallest crop keeps `size` pixels.
        """
        if columns == 2 * rows:
            return max(1, columns // math.ceil(size * 360.0 / self.fov[0]))
        return max(1, int(min(self.crop[0] * columns, rows, columns) / size))
