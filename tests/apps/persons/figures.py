"""Drawn persons, which the HOG people detector takes for real ones."""

import cv2
import numpy as np

from praxiscope.types import Frame


def draw_figure(frame: Frame, x: int, top: int, height: int) -> None:
    """Draw an upright dark person, seen from the front, into a frame."""
    unit = height / 8  # heads

    def at(across: float, down: float) -> tuple[int, int]:
        return int(x + across * unit), int(top + down * unit)

    dark = (40, 40, 40)
    cv2.ellipse(frame, at(0, 0.6), (int(0.42 * unit), int(0.55 * unit)), 0, 0, 360, dark, -1)
    torso = [at(-0.9, 1.3), at(0.9, 1.3), at(0.7, 4.2), at(-0.7, 4.2)]
    cv2.fillPoly(frame, [np.array(torso)], dark)
    for side in (-1, 1):
        cv2.line(frame, at(0.85 * side, 1.6), at(1.15 * side, 4.2), dark, max(1, int(0.4 * unit)))
        cv2.line(frame, at(0.38 * side, 4.1), at(0.5 * side, 7.8), dark, max(1, int(0.6 * unit)))


def blank(height: int, width: int) -> Frame:
    return np.full((height, width, 3), 200, np.uint8)
