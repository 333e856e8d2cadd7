"""SlowOnly R50, 8 frames every 8, on a small folder of one's own videos, most of it frozen.

Run:   praxiscope train finetune_frozen
Data:  my_videos/CLASS/*.mp4, a fifth of each class for validation.

Shows: ``frozen_stages``, ``norm_eval``, ``label_smoothing`` and ``loader.class_balance``. With few
       videos the early stages are better left as published: they learn nothing from some hundred
       clips but those clips. Small batches make poor statistics, so norms keep the published ones.
"""

from praxiscope.data.catalog import folder
from praxiscope.data.sampling import Clip
from praxiscope.data.transforms import Views
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import Cosine, Loader, Recipe, Sgd

VIDEOS = "my_videos"


def recipe() -> Recipe:
    """Return the run."""
    train = folder(VIDEOS, "train")
    return Recipe(
        model=SlowOnly(depth=50, num_classes=train.num_classes),
        start="slowonly_r50_8x8x1_256e_kinetics400_rgb_20200703-a79c555a",
        clip=Clip(frames=8, stride=8),
        train=train,
        val=folder(VIDEOS, "val"),
        test_views=Views(clips=10, crops=3, size=256),
        frozen_stages=3,
        norm_eval=True,
        label_smoothing=0.1,
        optim=Sgd(lr=0.01, batch=8),
        schedule=Cosine(epochs=20, by_epoch=False),
        # between the list as it is (1) and as many videos of every class (0)
        loader=Loader(videos_per_device=8, class_balance=0.5),
        metrics=("mean_class_accuracy", "top_k_accuracy"),
        validate_every=1,
    )
