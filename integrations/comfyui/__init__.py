"""Nodes for ComfyUI, which loads this folder as one of its `custom_nodes`."""

from importlib.util import find_spec

if find_spec("hdrcnn") is None:
    raise ImportError(
        "hdrcnn is not installed in the Python that runs ComfyUI; run with that Python: "
        'python -m pip install "FOLDER_OF_THE_TOOLKIT[onnx,fuse]"'
    )

from .nodes import Fuse, PreviewAtExposure, Reconstruct, WriteHdr

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]

NODE_CLASS_MAPPINGS = {
    "HdrcnnReconstruct": Reconstruct,
    "HdrcnnFuse": Fuse,
    "HdrcnnWriteHdr": WriteHdr,
    "HdrcnnPreviewAtExposure": PreviewAtExposure,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "HdrcnnReconstruct": "Reconstruct HDR",
    "HdrcnnFuse": "Fuse Exposures",
    "HdrcnnWriteHdr": "Write HDR",
    "HdrcnnPreviewAtExposure": "Preview HDR at Exposure",
}
