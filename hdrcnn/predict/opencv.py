"""OpenCV, an optional package: features, warps and pyramids of `hdrcnn fuse`."""

from types import ModuleType

from hdrcnn.files import ImageError

SHORT = 32767
"""Most rows or columns of a picture that its warps take."""


def opencv() -> ModuleType:
    """The module `cv2`. Raises ImageError, one line that says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImageError(
            "exposure fusion needs one package more; pip install opencv-python-headless"
        ) from error
    return cv2
