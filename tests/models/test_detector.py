"""Detectors: boxes to logits, the loss, and the boxes that are trained on."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from praxiscope.errors import DataError, RecipeError
from praxiscope.models.actor_head import average_parts
from praxiscope.models.box_sampling import assign, sample_boxes
from praxiscope.models.detector import ActorDetector
from praxiscope.models.losses import ActorLoss
from praxiscope.models.slowfast import SlowFast
from praxiscope.models.slowonly import SlowOnly

SLOWONLY = SlowOnly(depth=14, width=8, num_classes=5)
SLOWFAST = SlowFast(depth=14, width=16, num_classes=5, slow_stride=2, speed_ratio=2)
VARIANTS = [
    ActorDetector(network=SLOWONLY),
    ActorDetector(network=SLOWONLY, context=True, hidden_layer=True),
    ActorDetector(network=SLOWFAST, temporal_pool="max"),
    ActorDetector(network=SLOWFAST, acrn=True),
]
BOXES = [torch.tensor([[4.0, 2.0, 30.0, 40.0], [0.0, 0.0, 64.0, 48.0]]), torch.zeros(0, 4)]


def clips(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 4, 48, 64), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("entry", VARIANTS)
def test_clips_without_persons_have_no_rows_and_change_nothing(entry: ActorDetector) -> None:
    torch.manual_seed(0)
    model = entry.build().eval()
    with torch.inference_mode():
        logits = model(clips(), BOXES)
        alone = model(clips()[:1], BOXES[:1])
        nobody = model(clips(), [torch.zeros(0, 4)] * 2)
    assert logits.shape == (2, 5)
    assert logits[0].ne(logits[1]).any()  # each box has its own
    torch.testing.assert_close(logits, alone)
    assert nobody.shape == (0, 5)


@pytest.mark.parametrize("entry", VARIANTS)
def test_a_training_step_without_persons_leaves_the_gradients_at_zero(entry: ActorDetector) -> None:
    model = entry.build().train()
    loss = ActorLoss()(model(clips(), [torch.zeros(0, 4)] * 2), torch.zeros(0, 5))
    loss.backward()
    assert loss.item() == 0
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(grad.eq(0).all() for grad in grads)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_boxes_must_be_given_for_every_clip() -> None:
    model = VARIANTS[0].build().eval()
    with pytest.raises(DataError, match="1 tensors of boxes for 2 images"):
        model(clips(), BOXES[:1])


@pytest.mark.parametrize("size", [(16, 22), (8, 8), (3, 5), (17, 9)])
def test_the_parts_of_a_frame_are_those_of_adaptive_pooling(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(average_parts(maps, 8), adaptive_avg_pool2d(maps, 8))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ActorDetector(network=SLOWONLY, context=True, acrn=True), "drop context"),
        (lambda: ActorDetector(network=SlowOnly(num_classes=1)), "at least 2"),
        (lambda: ActorDetector(network=SLOWONLY, temporal_pool="mean"), "one of 'avg', 'max'"),  # type: ignore[arg-type]
        (lambda: ActorDetector(network=SlowOnly(num_classes=5, stem_pool=False)), "stem_pool"),
        (lambda: ActorLoss(gamma=-1.0), "ActorLoss.gamma"),
    ],
)
def test_a_recipe_that_cannot_be_built_says_why(build: Callable[[], object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build()


def test_the_loss_is_the_formula_over_labelled_rows_and_classes_but_the_background() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    targets = torch.tensor([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]])
    p, y = logits[[0, 2], 1:].sigmoid(), targets[[0, 2], 1:]
    right = torch.where(y == 1, p, 1 - p)
    expected = (3 * (1 - right) ** 2 * -right.log()).mean()
    torch.testing.assert_close(ActorLoss(alpha=3, gamma=2)(logits, targets), expected)


def test_the_focal_loss_has_finite_gradients_where_nothing_is_wrong() -> None:
    logits = torch.tensor([[0.0, 200.0, -200.0]], requires_grad=True)
    ActorLoss(gamma=0.5)(logits, torch.tensor([[0.0, 1.0, 0.0]])).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_of_too_many_boxes_those_with_labels_are_drawn_first_and_repeatably() -> None:
    truth = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    proposals = torch.cat((truth.expand(40, 4), truth.expand(40, 4) + 100)) + torch.arange(80)[
        :, None
    ] * torch.tensor([0.0, 0.0, 1e-3, 0.0])
    labels = torch.tensor([[0.0, 1.0]])
    draws = [
        sample_boxes(proposals, truth, labels, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    ]
    boxes, targets = draws[0]
    assert boxes.shape == (32, 4)
    assert targets[:, 1].eq(1).all()
    assert boxes.equal(draws[1][0])
    boxes, targets = sample_boxes(proposals[38:], truth, labels, limit=8)
    assert targets[:, 1].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_frames_without_persons_or_proposals_have_no_labels() -> None:
    proposals, none = torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.zeros(0, 4)
    boxes, targets = sample_boxes(proposals, none, torch.zeros(0, 3))
    assert boxes.equal(proposals)
    assert targets.tolist() == [[0, 0, 0]]
    boxes, _ = sample_boxes(none, proposals, torch.ones(1, 3))
    assert boxes.equal(proposals)


def test_the_best_proposal_of_a_person_is_theirs_whoever_else_it_overlaps() -> None:
    truth = torch.tensor([[0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 100.0, 98.0]])
    proposals = torch.tensor([[0.0, 0.0, 100.0, 99.8]])  # nearer to the first, best of the second
    assert assign(proposals, truth, 0.9).tolist() == [1]
    assert assign(proposals, truth, 0.99).tolist() == [0]
