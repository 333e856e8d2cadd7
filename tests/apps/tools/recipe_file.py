"""A recipe in a file, as a command line takes it."""

from pathlib import Path

from praxiscope.data.synthetic import MotionDataset

TEXT = """
from pathlib import Path
from praxiscope.data.lists import VideoList
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import Views
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Loader, Recipe, Sgd


def recipe() -> Recipe:
    videos = VideoList(
        root=Path({root!r}), annotations=Path({annotations!r}), num_classes=8, label_map={label_map}
    )
    return Recipe(
        model=SlowOnly(num_classes=8, width=8),
        clip=Clip(frames=4, stride=4),
        train=videos,
        val=videos,
        test_views=Views(short_side=36, size=32),
        optim=Sgd(lr=0.1, batch=8),
        schedule=Cosine(epochs=2),
        loader=Loader(videos_per_device=4, workers=0),
        metrics=("top_k_accuracy",),
    )
"""


def write_recipe(path: Path, labels: list[int]) -> Path:
    """A recipe of a list beside it, whose videos do not exist."""
    annotations = path.with_name("list.txt")
    annotations.write_text("".join(f"v{n}.mp4 {k}\n" for n, k in enumerate(labels)))
    files = {"root": str(path.parent), "annotations": str(annotations), "label_map": None}
    path.write_text(TEXT.format(**files))
    return path


def write_motion_recipe(path: Path, motions: MotionDataset) -> Path:
    """A recipe of generated videos."""
    files = {
        "root": str(motions.videos("test")),
        "annotations": str(motions.list_file("test")),
        "label_map": f"Path({str(motions.label_map)!r})",
    }
    path.write_text(TEXT.format(**files))
    return path


DETECTION = """
from pathlib import Path
from praxiscope.data.ava_lists import AvaList
from praxiscope.data.sampling import Clip
from praxiscope.models.detector import ActorDetector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, DetectionRecipe, Sgd


def recipe() -> DetectionRecipe:
    actions = AvaList(
        root=Path("videos"),
        annotations=Path({annotations!r}),
        excluded=Path({excluded!r}),
        label_map=Path({label_map!r}),
    )
    return DetectionRecipe(
        model=ActorDetector(network=SlowOnly(num_classes=81, width=8)),
        clip=Clip(frames=4, stride=16),
        train=actions,
        val=actions,
        optim=Sgd(lr=0.1, batch=8),
        schedule=Cosine(epochs=2),
    )
"""


def write_detection_recipe(path: Path, files: Path) -> Path:
    """A recipe of gt.csv, excluded.csv and label_map.pbtxt in a folder; no videos exist."""
    names = {"annotations": "gt.csv", "excluded": "excluded.csv", "label_map": "label_map.pbtxt"}
    path.write_text(DETECTION.format(**{k: str(files / name) for k, name in names.items()}))
    return path
