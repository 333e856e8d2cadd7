"""Random brightness, contrast, saturation and hue, the same for all frames of a video."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from praxiscope.errors import DataError, RecipeError
from praxiscope.types import Frame

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as cv2 and PIL use


@dataclass(frozen=True, kw_only=True)
class ColorJitter:
    """How far colours may move: factors from 1 - x to 1 + x, hue by +-x of a full turn."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise RecipeError(f"ColorJitter.{name} must be from 0 to {most}, not {value!r}.")

    def draw(self, rng: np.random.Generator) -> Callable[[Frame], Frame]:
        """Return a function that recolours one RGB frame (H, W, 3) with the factors drawn here."""
        brightness, contrast, saturation = (
            float(rng.uniform(1 - x, 1 + x))
            for x in (self.brightness, self.contrast, self.saturation)
        )
        hue = float(rng.uniform(-self.hue, self.hue))
        return lambda frame: recolour(frame, brightness, contrast, saturation, hue)


def recolour(
    frame: Frame, brightness: float, contrast: float, saturation: float, hue: float
) -> Frame:
    """Change an RGB frame (H, W, 3): brightness, then contrast, saturation and hue.

    Contrast is relative to the frame's mean grey, saturation to each pixel's own grey; ``hue`` is a
    share of a full turn. Raises :class:`DataError` for optical flow, which has no colours.
    """
    if frame.shape[2] != 3:
        raise DataError("optical flow has no colours: leave color_jitter out for flow.")
    pixels = np.clip(frame.astype(np.float32) * brightness, 0, 255)
    pixels = _blend(pixels, (pixels @ LUMA).mean(), contrast)
    pixels = _blend(pixels, (pixels @ LUMA)[..., None], saturation)
    if hue:
        hsv = cv2.cvtColor(pixels / 255, cv2.COLOR_RGB2HSV)  # hue in degrees
        hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
        pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255
    recoloured: Frame = np.round(pixels).astype(np.uint8)
    return recoloured


def _blend(
    pixels: npt.NDArray[np.float32], grey: npt.NDArray[np.float32] | np.float32, factor: float
) -> npt.NDArray[np.float32]:
    return np.clip(grey + factor * (pixels - grey), 0, 255)
