"""Four nodes: reconstruct, fuse, write HDR, preview at exposure.

    IMAGE   [B, H, W, C] float32 in [0, 1], display-encoded (sRGB), as ComfyUI has it
    hdr     an IMAGE too, [B, H, W, 3] float32, linear Rec. 709; 1.0 = clipping level of the
            photograph, highlights above it

Pictures of a batch are worked on one after another. The attributes are those that ComfyUI asks a
node for: https://docs.comfy.org/custom-nodes/backend/server_overview.
"""

from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.result import cap
from hdrcnn.colour.clipping_level import clipping_levels, factors
from hdrcnn.colour.transfer import srgb_encode
from hdrcnn.writers import WRITERS, Options, Picture, chosen

from . import host

CATEGORY = "image/hdrcnn"
WEIGHTS = ("clean", "jpeg", "film")
CURVES = ("auto", "srgb", "mean_curve", "square", "estimated")
FUSIONS = ("auto", "unsupervised", "supervised", "mertens")
SHOWN_BY_BROWSERS = {"ultrahdr", "avif", "png"}
EXACT = 1e-3
"""Of a code of 8 bits: pictures that differ by less from such codes are taken for them."""


def _choice(names: tuple[str, ...], tooltip: str) -> tuple[list[str], dict[str, Any]]:
    return list(names), {"default": names[0], "tooltip": tooltip}


class Reconstruct:
    """Photographs to light; as `hdrcnn predict`."""

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("hdr",)
    OUTPUT_TOOLTIPS = ("Linear light; 1.0 is where the photograph clips, highlights are above.",)
    FUNCTION = "reconstruct"
    CATEGORY = CATEGORY
    DESCRIPTION = "Reconstructs the highlights that a photograph has clipped."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs and their limits, those of the command."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "Photographs as they are: display-encoded sRGB."}),
                "weights": _choice(
                    WEIGHTS,
                    "clean: not compressed, or hardly; jpeg: compressed with losses; film: frames "
                    "of one film, whose first settles where all of them clip.",
                ),
                "camera_curve": _choice(
                    CURVES, "How codes become light; auto: srgb, or as stored with params."
                ),
                "gamma": (
                    "FLOAT",
                    {
                        "default": 1.0, "min": 0.1, "max": 10.0, "step": 0.05,
                        "tooltip": "1.1 to 1.3 raises highlights that come out too low.",
                    },
                ),
                "resolution": _choice(
                    ("auto", "native", "working"), "Size at which the network sees the picture."
                ),
                "max_stops": (
                    "FLOAT",
                    {
                        "default": 0.0, "min": 0.0, "max": 15.0, "step": 0.5,
                        "tooltip": "Limit of the light, in stops above the clipping level; "
                        "0: none.",
                    },
                ),
                "panorama": (
                    "BOOLEAN", {"default": False, "tooltip": "Left and right side meet."}
                ),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Of Load Image: where the photograph is transparent, and so has "
                        "no vote in where it clips."
                    },
                ),
                "params": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Weights file of your own, with its .onnx file beside it; "
                        "empty: those of the toolkit.",
                    },
                ),
            },
        }  # fmt: skip

    def reconstruct(
        self,
        image: Any,
        weights: str = "clean",
        camera_curve: str = "auto",
        gamma: float = 1.0,
        resolution: str = "auto",
        max_stops: float = 0.0,
        panorama: bool = False,
        params: str = "",
        mask: Any = None,
    ) -> tuple[Any]:
        """Raises ValueError, WeightsError, BackendError, one line each."""
        pictures = host.array(image, "image")
        alphas = host.alphas(pictures, mask, ("image", "mask"))
        hdr = np.empty((*pictures.shape[:3], 3), np.float32)
        step, film = host.progress(len(hdr)), weights == "film"
        with host.onnx_alone():
            path = Path(params.strip()) if params.strip() else None
            networks = Networks.on("cpu", path, film)
            predictor = networks.predictor(networks.choose(weights == "jpeg"))
            asked = None if camera_curve == "auto" else camera_curve
            curve = networks.curve(asked, predictor.metadata.linearisation)
            for number, (picture, alpha) in enumerate(zip(pictures, alphas, strict=True)):
                code = host.codes(picture)
                if number == 0 or not film:
                    scaling = factors(clipping_levels(code, alpha))
                    found = predictor.curve(code, curve, scaling)
                hdr[number] = predictor.reconstruct(
                    code,
                    gamma=gamma,
                    scaling=scaling,
                    camera_curve=found,
                    resolution=resolution,
                    panorama=panorama,
                )
                if max_stops > 0.0:
                    hdr[number] = cap(hdr[number], max_stops)
                step()
        return (host.tensor(hdr),)


def _frame(picture: np.ndarray) -> np.ndarray:
    """[H, W, C] float32 to [H, W, 3]: uint8 if it holds such codes, otherwise uint16."""
    code = host.codes(picture)
    eight = code * np.float32(255.0)
    rounded = np.round(eight)
    if np.abs(eight - rounded).max() < EXACT:
        return rounded.astype(np.uint8)
    return np.round(code * np.float32(65535.0)).astype(np.uint16)


def _bracket(pictures: np.ndarray) -> list[np.ndarray]:
    """Frames of one type, as `predict.bracket` takes them."""
    frames = [_frame(picture) for picture in pictures]
    if len({frame.dtype for frame in frames}) > 1:
        frames = [
            frame if frame.dtype == np.uint16 else frame.astype(np.uint16) * np.uint16(257)
            for frame in frames
        ]
    return frames


class Fuse:
    """Brackets to pictures to look at; as `hdrcnn fuse`."""

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("One picture of each bracket, display-encoded.",)
    FUNCTION = "fuse"
    CATEGORY = CATEGORY
    DESCRIPTION = "Fuses exposures of one scene, the pictures of a batch, into one picture."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs and their limits, those of the command."""
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "Two to nine exposures of one scene, any order."}),
                "method": _choice(FUSIONS, "What weighs the frames; auto: the network."),
                "deghost": (
                    "BOOLEAN", {"default": True, "tooltip": "Take what moved from one frame."}
                ),
                "align": (
                    "BOOLEAN",
                    {"default": True, "tooltip": "Lay hand-held frames on each other."},
                ),
                "per": (
                    "INT",
                    {
                        "default": 0, "min": 0, "max": 9,
                        "tooltip": "Frames of each bracket of the batch; 0: it is one bracket.",
                    },
                ),
            },
        }  # fmt: skip

    def fuse(
        self,
        images: Any,
        method: str = "auto",
        deghost: bool = True,
        align: bool = True,
        per: int = 0,
    ) -> tuple[Any]:
        """Raises ValueError, ImageError, WeightsError, BackendError, one line each."""
        from hdrcnn.predict.bracket import Choices, prepared
        from hdrcnn.predict.fusion import check_frames, chosen_method, fuse

        pictures = host.array(images, "images")
        per = per or len(pictures)
        if len(pictures) % per:
            raise ValueError(f"images: {len(pictures)} pictures are no brackets of {per}; mend per")
        fused = np.empty((len(pictures) // per, *pictures.shape[1:3], 3), np.float32)
        step = host.progress(len(fused))
        with host.onnx_alone():
            weighed = chosen_method(method)
            for number in range(len(fused)):
                frames = _bracket(pictures[number * per : (number + 1) * per])
                check_frames(frames)
                bracket = prepared(frames, Choices(align, deghost))
                fused[number] = fuse(bracket.frames, weighed) / np.float32(65535.0)
                step()
        return (host.tensor(fused),)


class WriteHdr:
    """Light to files."""

    RETURN_TYPES = ()
    FUNCTION = "write"
    CATEGORY = CATEGORY
    OUTPUT_NODE = True
    DESCRIPTION = "Writes linear light into ComfyUI's output folder."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs; formats as the toolkit has them."""
        known = "; ".join(f"{name}: {writer.about}" for name, writer in WRITERS.items())
        return {
            "required": {
                "hdr": ("IMAGE", {"tooltip": "Linear light, Rec. 709."}),
                "format": _choice(tuple(WRITERS), known),
                "filename_prefix": (
                    "STRING",
                    {"default": "hdrcnn", "tooltip": "As for Save Image, with %width% and others."},
                ),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Of Load Image: where the picture is transparent; exr and jxl "
                        "hold it as alpha."
                    },
                ),
            },
        }

    def write(
        self,
        hdr: Any,
        format: str = "exr",  # noqa: A002 - the name of the input.
        filename_prefix: str = "hdrcnn",
        mask: Any = None,
    ) -> Any:
        """One file a picture, `PREFIX_00001_.exr`, and what ComfyUI shows of them. Raises
        ValueError, ImageError, one line each.
        """
        light = host.array(hdr, "hdr")
        alphas = host.alphas(light, mask, ("hdr", "mask"))
        writer = chosen([format])[format]
        rows, columns = light.shape[1:3]
        folder, name, first, below = host.output_place(filename_prefix, columns, rows)
        step, files = host.progress(len(light)), []
        for number, (picture, alpha) in enumerate(zip(light, alphas, strict=True)):
            named = name.replace("%batch_num%", str(number))
            # The number stands between underscores: by these ComfyUI finds the next, but not if
            # the number of the picture is in the name.
            ending = writer.ending.removeprefix("_")
            while (folder / f"{named}_{first + number:05}_{ending}").exists():
                first += 1
            file = f"{named}_{first + number:05}_{ending}"
            shown = Picture(hdr=host.colours(picture), alpha=alpha)
            writer.write(folder / file, shown, Options())
            files.append({"filename": file, "subfolder": below, "type": "output"})
            step()
        if format in SHOWN_BY_BROWSERS:
            return {"ui": {"images": files}}
        return {"ui": {"text": [str(folder / file["filename"]) for file in files]}}


class PreviewAtExposure:
    """Light as a display shows it at an exposure."""

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("Display-encoded, for Preview Image.",)
    FUNCTION = "preview"
    CATEGORY = CATEGORY
    DESCRIPTION = "Shows light at an exposure; at -3 stops 8 times the clipping level is white."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs and their limits, those of the command."""
        return {
            "required": {
                "hdr": ("IMAGE", {"tooltip": "Linear light, Rec. 709."}),
                "exposure": (
                    "FLOAT",
                    {
                        "default": -3.0, "min": -40.0, "max": 40.0, "step": 0.5,
                        "tooltip": "In stops; 0 shows the clipping level as white.",
                    },
                ),
            },
        }  # fmt: skip

    def preview(self, hdr: Any, exposure: float = -3.0) -> tuple[Any]:
        """sRGB of the light times 2^exposure, held within 0..1. Raises ValueError."""
        light = host.array(hdr, "hdr")
        shown = np.empty((*light.shape[:3], 3), np.float32)
        for number, picture in enumerate(light):
            exposed = host.colours(picture) * np.float32(2.0**exposure)
            shown[number] = srgb_encode(np.clip(exposed, 0.0, 1.0))
        return (host.tensor(shown),)
