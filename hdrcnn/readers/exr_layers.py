"""Find the part and layer of an OpenEXR file that is the image, by their names.

A file may contain normals, depth, mattes or the components of a render beside the image, in any
order. Sources: "Technical introduction to OpenEXR" (a layer is what precedes the last dot of a
channel's name, channels without a dot are the default layer) and the names that Blender, Arnold,
Cycles, Houdini, Karma, Mantra, Nuke, RenderMan and V-Ray give.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

STRONG = frozenset({"beauty", "combined", "composite", "final"})
"""Names of the image, whatever precedes them."""
GENERIC = frozenset({"rgba", "rgb", "image", "color", "colour", "main", "default", "render", "c"})
"""Names of the image, unless what precedes them is not an image: `normal.rgb`."""
COMPONENTS = frozenset({
    "albedo", "ambient", "ao", "caustics", "clearcoat", "coat", "diff", "diffuse", "direct",
    "emission", "emissive", "emit", "gi", "gloss", "glossy", "indirect", "occlusion", "refl",
    "reflection", "reflections", "refr", "refraction", "shadow", "shadows", "sheen", "spec",
    "specular", "sss", "subsurface", "trans", "transmission", "volume",
})  # fmt: skip
"""Names of layers with part of the light only; their sum is the image."""
DATA = frozenset({
    "alpha", "bitangent", "bump", "confidence", "coverage", "curvature", "disparity", "error",
    "facing", "flow", "id", "ids", "index", "mask", "masks", "matte", "mattes", "mist",
    "motion", "mv", "n", "nn", "noise", "normal", "normalmap", "normals", "opacity", "p", "pos",
    "position", "positions", "pref", "samples", "st", "tangent", "tangents", "texcoord", "uv",
    "uvs", "variance", "vector", "vectors", "velocity", "wireframe", "z", "zdepth",
})  # fmt: skip
"""Names of layers with data that is not light."""
DATA_BEGIN = ("crypto", "depth", "motion", "velocity")

_COLOURS = {"R": "R", "G": "G", "B": "B", "r": "R", "g": "G", "b": "B"} | {
    "red": "R", "green": "G", "blue": "B"
}  # fmt: skip
EXACT, IMAGE, UNKNOWN, COMPONENT, NO_COLOUR = range(5)


@dataclasses.dataclass(frozen=True)
class Layer:
    """Channels of a part that form an image."""

    part: int
    """Index of the part in the file."""
    name: str
    """Name of part and layer, for people; empty if neither has one."""
    channels: tuple[str, ...]
    """Names of the channels R, G and B; Y, RY and BY; or Y alone."""
    rank: int
    """The lower, the more likely it is the image."""


def _words(element: str) -> list[str]:
    """Split an element into words: `WorldNormal01` into world, normal, 01."""
    apart = re.sub(r"([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", element)
    return re.findall(r"[^\W\d_]+|\d+", apart.lower())


def _element_rank(element: str) -> int:
    words = _words(element)
    if any(word in DATA or word.startswith(DATA_BEGIN) for word in words):
        return NO_COLOUR
    if any(word in COMPONENTS for word in words):
        return COMPONENT
    named = [word for word in words if word in STRONG or (word in GENERIC and len(word) > 1)]
    if (named and len(words) == 1) or element.lower() == "c":
        return EXACT
    return IMAGE if named else UNKNOWN


def rank(elements: Sequence[str]) -> int:
    """Return the rank of a layer by its name, outermost element first.

    The last element decides; if it says nothing, or is a word such as `rgb`, those before it do.
    """
    if not elements:
        return UNKNOWN
    own, before = _element_rank(elements[-1]), rank(elements[:-1])
    if own == UNKNOWN:
        return max(before, IMAGE)
    vague = own == EXACT and elements[-1].lower() in GENERIC
    return before if vague and before in (COMPONENT, NO_COLOUR) else own


def _colour_channels(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Map each layer (empty name: the default one) to its channels R, G and B."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted(names):  # Capitals sort first: R is preferred to r.
        layer, _, last = name.rpartition(".")
        if last in _COLOURS:
            found.setdefault(layer, {}).setdefault(_COLOURS[last], name)
    return {
        layer: tuple(channels[colour] for colour in "RGB")
        for layer, channels in found.items()
        if len(channels) == 3
    }


def layers(parts: Mapping[int, tuple[str, Sequence[str]]], alone: bool) -> list[Layer]:
    """Return all layers that could be the image.

    parts: index of each flat part to its name and channels; alone: whether there is no other part.
    """
    found = []
    for part, (title, names) in parts.items():
        colours = _colour_channels(names)
        for wanted in (("Y", "RY", "BY"), ("Y",)):
            if set(wanted) <= set(names):
                colours.setdefault("", wanted)
        before = [] if alone else title.split(".")  # The only part may have any name.
        for layer in sorted(colours):
            elements = [element for element in [*before, *layer.split(".")] if element]
            own = EXACT if alone and not layer else rank(elements)
            found.append(Layer(part, ".".join(elements), colours[layer], own))
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:40] for name in names[:3]) + more


def image(parts: Mapping[int, tuple[str, Sequence[str]]], alone: bool) -> Layer | None:
    """Return the layer that is the image; None if no channels form one. Arguments as for `layers`.

    Of layers with the same rank it is that of the first part, and the default layer before named
    ones. Raises ValueError, naming the layers, if none has colours, or if there are several
    components of an image that is not there.
    """
    found = layers(parts, alone)
    if not found:
        return None
    best = min(found, key=lambda layer: layer.rank)  # The first of equals.
    equals = [layer.name for layer in found if layer.rank == best.rank]
    if best.rank == NO_COLOUR:
        raise ValueError(f"holds no colours, only {_listed(equals)}; save it with the image")
    if best.rank == COMPONENT and len(equals) > 1:
        raise ValueError(
            f"holds components ({_listed(equals)}) but not their image; save it with a layer "
            "named beauty"
        )
    return best
