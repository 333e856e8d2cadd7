"""SlowFast R50, 8 slow frames every 8 and 32 fast ones every 2, multigrid, Kinetics-400 RGB.

Run:      praxiscope train slowfast_r50_multigrid_8x8x1_kinetics400_rgb
Follows:  slowfast_multigrid_r50_8x8x1_358e_kinetics400_rgb of OpenMMLab's 0.x, 76.07 top-1 and
          92.21 top-5 (short side 320). That network has norms on its lateral connections, and its
          other norms divide large batches; this one does not, so expect other numbers and do not
          load those weights.
Protocol: 10 clips x 3 crops of 256, softmax averaged.
Cost:     The steps of 70 epochs where the recipe without multigrid has 256; each takes about as
          long. They pass the list 355 times, so decoding has five times the work a step.
Papers:   A Multigrid Method for Efficiently Training Video Models, arXiv:1912.00998;
          Rethinking "Batch" in BatchNorm, arXiv:2105.07576 (precise norms).

Shows:    ``multigrid`` and ``precise_bn``.
"""

from praxiscope.data.catalog import kinetics400
from praxiscope.data.sampling import Clip
from praxiscope.models.slowfast import SlowFast
from praxiscope.presets.recognition import loader, sgd, train_crops, val_view, views_10x3
from praxiscope.recipe import Multigrid, PreciseBn, Recipe, Step


def recipe() -> Recipe:
    """Return the run."""
    return Recipe(
        model=SlowFast(depth=50, num_classes=400, slow_stride=4, speed_ratio=4, lateral_frames=7),
        clip=Clip(frames=32, stride=2),
        train=kinetics400("train", "frames"),
        val=kinetics400("val", "frames"),
        train_transform=train_crops(),
        val_views=val_view(),
        test_views=views_10x3(),
        optim=sgd(lr=0.1, videos_per_gpu=8),
        # The published milestones 94, 154, 196 of 239, in steps of a run of 1.5 times the passes.
        # As published the last one is halfway through the epochs at the full shape.
        schedule=Step(epochs=70, milestones=(28, 44, 63)),
        multigrid=Multigrid(long_cycles=(0, 28, 44, 56)),
        precise_bn=PreciseBn(batches=200, every=3),
        validate_every=3,
        checkpoint_every=3,
        loader=loader(videos_per_gpu=8),
    )
