"""Generated videos and small detectors for the tests of ``praxiscope detect``."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import nn

from praxiscope.apps.persons import Persons
from praxiscope.types import Frame
from praxiscope.zoo.weights import save_weights

RECIPE = '''"""A small detector."""
from pathlib import Path
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Sgd


def recipe() -> DetectionRecipe:
    ava = AvaList(
        root=Path("videos"), annotations=Path("none.csv"), num_classes=5, kind="video",
        first_timestamp=0, fps=30,
    )
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(num_classes=5, width=4)),
        clip=Clip(frames=4, stride=3),
        train=ava,
        val=ava,
        test_transform=BoxTransform(short_side=(48, 48), size=None, flip=0),
        optim=Sgd(lr=0.1, batch=2),
        schedule=Cosine(epochs=1),
    )
'''
NAMES = ("sit", "stand", "walk", "wave (at a person)")


def write_detector(folder: Path, *, broken: bool = False) -> tuple[Path, Path]:
    """Return a recipe and weights under which probabilities differ from frame to frame."""
    from praxiscope.recipe import DetectionRecipe, load_recipe

    recipe, weights = folder / "small.py", folder / "small.pth"
    recipe.write_text(RECIPE)
    torch.manual_seed(3)
    model = load_recipe(recipe, (), kind=DetectionRecipe).model.build()
    layer = model.roi_head.bbox_head.fc_cls
    assert isinstance(layer, nn.Linear)
    nn.init.normal_(layer.weight, std=0.5)
    if broken:
        nn.init.constant_(layer.weight, torch.nan)
    save_weights(model, weights, NAMES)
    return recipe, weights


def write_video(
    path: Path,
    *,
    frames: int = 60,
    rate: Fraction = Fraction(30),
    size: tuple[int, int] = (72, 96),
    times: Sequence[int] | None = None,
) -> Path:
    """A bright square that wanders over noise; ``times`` in milliseconds for variable rates."""
    height, width = size
    noise = np.random.default_rng(0).integers(0, 120, (height, width, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "g": "12"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            image = np.roll(noise, number, axis=1)
            left = 2 * number % (width - 20)
            image[20:50, left : left + 20] = (250, 60 + 3 * number % 150, 40)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TwoPersons:
    """Two boxes, of which one moves to the right; nobody from ``until`` seconds on."""

    name = "two boxes"

    def __init__(self, until: float = 1e9) -> None:
        self.until = until
        self.asked: list[tuple[float, tuple[int, ...]]] = []

    def __call__(self, frame: Frame, seconds: float) -> Persons:
        self.asked.append((seconds, frame.shape))
        if seconds >= self.until:
            return Persons(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        x = 0.1 + 0.05 * seconds
        boxes = np.array([[x, 0.2, x + 0.3, 0.9], [0.6, 0.1, 0.95, 0.8]], np.float32)
        return Persons(boxes, np.array([0.9, 0.8], np.float32))


def nobody(frame: Frame, seconds: float) -> Persons:
    return Persons(np.empty((0, 4), np.float32), np.empty(0, np.float32))
