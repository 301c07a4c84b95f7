"""Four nodes: reconstruct, fuse, write HDR, preview at exposure.

    IMAGE   [B, H, W, C] float32 in [0, 1], display-encoded (sRGB), the type of ComfyUI
    hdr     also an IMAGE: [B, H, W, 3] float32, linear Rec. 709; 1.0 = clipping level of the
            photograph, highlights are above it

The images of a batch are processed one after another. The attributes are those that ComfyUI expects
of a node: https://docs.comfy.org/custom-nodes/backend/server_overview.
"""

from pathlib import Path
from typing import Any

import numpy as np

from hdrcnn.batch.choose import Networks
from hdrcnn.batch.result import cap
from hdrcnn.colour.clipping_level import clipping_levels, factors
from hdrcnn.colour.transfer import srgb_encode
from hdrcnn.writers import WRITERS, Options, Picture, select_writers

from . import host

CATEGORY = "image/hdrcnn"
WEIGHTS = ("clean", "jpeg", "film")
CURVES = ("auto", "srgb", "mean_curve", "square", "estimated")
FUSIONS = ("auto", "unsupervised", "supervised", "mertens")
SHOWN_BY_BROWSERS = {"ultrahdr", "avif", "png"}
EXACT = 1e-3
"""Largest difference from 8-bit codes, in codes, of an image that is treated as 8-bit."""


def _choice(names: tuple[str, ...], tooltip: str) -> tuple[list[str], dict[str, Any]]:
    return list(names), {"default": names[0], "tooltip": tooltip}


class Reconstruct:
    """Photographs to linear HDR images, like `hdrcnn predict`."""

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
                    "clean: not compressed, or hardly; jpeg: lossy compression; film: frames of "
                    "one film; the first determines the clipping level of all.",
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
                        "tooltip": "From Load Image: transparent pixels, which are ignored when "
                        "the clipping level is detected."
                    },
                ),
                "params": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Weights file of your own, with its .onnx file beside it; "
                        "empty: the toolkit's weights.",
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
        """Reconstruct each image of a batch. Raises ValueError, WeightsError, BackendError."""
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
    """[H, W, C] float32 to [H, W, 3]: uint8 if all values are 8-bit codes, else uint16."""
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
    """Brackets to images for viewing, like `hdrcnn fuse`."""

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("One image for each bracket, display-encoded.",)
    FUNCTION = "fuse"
    CATEGORY = CATEGORY
    DESCRIPTION = "Fuses the exposures of one scene, the images of a batch, into one image."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs and their limits, those of the command."""
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "Two to nine exposures of one scene, any order."}),
                "method": _choice(FUSIONS, "How frames are weighted; auto: by the network."),
                "deghost": (
                    "BOOLEAN", {"default": True, "tooltip": "Take what moved from one frame."}
                ),
                "align": (
                    "BOOLEAN",
                    {"default": True, "tooltip": "Align hand-held frames."},
                ),
                "per": (
                    "INT",
                    {
                        "default": 0, "min": 0, "max": 9,
                        "tooltip": "Frames per bracket; 0: the whole batch is one bracket.",
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
        """Fuse each bracket of a batch.

        Raises ValueError, ImageError, WeightsError, BackendError.
        """
        from hdrcnn.predict.bracket import Choices, prepared
        from hdrcnn.predict.fusion import check_frames, fuse, load_method

        pictures = host.array(images, "images")
        per = per or len(pictures)
        if len(pictures) % per:
            raise ValueError(
                f"images: {len(pictures)} images cannot be split into brackets of {per}; change per"
            )
        fused = np.empty((len(pictures) // per, *pictures.shape[1:3], 3), np.float32)
        step = host.progress(len(fused))
        with host.onnx_alone():
            weighed = load_method(method)
            for number in range(len(fused)):
                frames = _bracket(pictures[number * per : (number + 1) * per])
                check_frames(frames)
                bracket = prepared(frames, Choices(align, deghost))
                codes = bracket.unscaled(fuse(bracket.frames, weighed))
                fused[number] = codes / np.float32(65535.0)
                step()
        return (host.tensor(fused),)


class WriteHdr:
    """Linear light to files."""

    RETURN_TYPES = ()
    FUNCTION = "write"
    CATEGORY = CATEGORY
    OUTPUT_NODE = True
    DESCRIPTION = "Writes linear light into ComfyUI's output folder."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name.
        """Inputs; the formats are those of the toolkit."""
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
                    {"tooltip": "From Load Image: transparency, which exr and jxl store as alpha."},
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
        """Write a file for each image, `PREFIX_00001_.exr`, and return what ComfyUI displays.

        Raises ValueError, ImageError.
        """
        light = host.array(hdr, "hdr")
        alphas = host.alphas(light, mask, ("hdr", "mask"))
        writer = select_writers([format])[format]
        rows, columns = light.shape[1:3]
        folder, name, first, below = host.output_place(filename_prefix, columns, rows)
        step, files = host.progress(len(light)), []
        for number, (picture, alpha) in enumerate(zip(light, alphas, strict=True)):
            named = name.replace("%batch_num%", str(number))
            # ComfyUI finds the next free number by the underscores around it, but not if the
            # prefix contains %batch_num%.
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
    """Linear light as a display shows it at an exposure."""

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
        """sRGB of the light times 2^exposure, clipped to [0, 1]. Raises ValueError."""
        light = host.array(hdr, "hdr")
        shown = np.empty((*light.shape[:3], 3), np.float32)
        for number, picture in enumerate(light):
            exposed = host.colours(picture) * np.float32(2.0**exposure)
            shown[number] = srgb_encode(np.clip(exposed, 0.0, 1.0))
        return (host.tensor(shown),)
