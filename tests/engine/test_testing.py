"""Testing: every video once, views averaged as asked, the same numbers by every path."""

from pathlib import Path

import pytest
import torch

import praxiscope
from praxiscope.apps.predict import load_predictor
from praxiscope.data.batch import collate
from praxiscope.data.synthetic import MotionDataset
from praxiscope.engine.recognition_data import RecognitionData
from praxiscope.engine.testing import ScoreOptions, fuse_conv_bn, run_test
from praxiscope.errors import RecipeError, VideoError
from praxiscope.models.nonlocal3d import NonLocal
from praxiscope.models.recognizer import Recognizer, score_views
from praxiscope.models.resnet3d import init_weights
from praxiscope.models.slowfast import LateralConv, SlowFast
from praxiscope.models.slowonly import SlowOnly
from praxiscope.types import ItemKey
from tests.parity import made_up
from tests.tiny import tiny_recipe, with_broken_video


@pytest.fixture(scope="module")
def model(motions: MotionDataset) -> Recognizer:
    made = made_up.fill(tiny_recipe(motions).model.build())
    assert isinstance(made, Recognizer)
    return made.eval()


def test_scores_are_in_list_order_and_probabilities(
    motions: MotionDataset, model: Recognizer
) -> None:
    tested = run_test(model, tiny_recipe(motions))
    listed = [line.split()[0] for line in motions.list_file("test").read_text().splitlines()]
    assert list(tested.scored.videos) == listed
    torch.testing.assert_close(tested.scored.scores.sum(1), torch.ones(8))
    assert tested.metrics.keys() == {"top1_acc", "top5_acc", "mean_class_accuracy"}


def test_views_are_averaged_as_asked(motions: MotionDataset, model: Recognizer) -> None:
    recipe = tiny_recipe(motions)
    every_view, score, prob = (
        run_test(model, recipe, ScoreOptions(average=average)).scored.scores
        for average in ("none", "score", "prob")
    )
    assert every_view.shape == (8, 6, 8)
    torch.testing.assert_close(every_view.mean(1), score)
    torch.testing.assert_close(every_view.softmax(-1).mean(1), prob)


@pytest.mark.parametrize("max_views", [1, 4, 100])
def test_the_views_at_a_time_do_not_change_the_scores(
    motions: MotionDataset, model: Recognizer, max_views: int
) -> None:
    data = RecognitionData(tiny_recipe(motions), seed=0)
    batch = collate([data.test_set.load(ItemKey(0, i)) for i in (0, 1)])
    with torch.inference_mode():
        chunked = score_views(model, batch.clips, max_views=max_views)
        whole = score_views(model, batch.clips)
    torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-6)


def test_folding_the_norms_does_not_change_the_scores(
    motions: MotionDataset, model: Recognizer
) -> None:
    fused = made_up.fill(tiny_recipe(motions).model.build()).eval()
    fuse_conv_bn(fused)
    clips = made_up.clips((2, 3, 4, 32, 32))
    with torch.inference_mode():
        torch.testing.assert_close(fused(clips), model(clips), rtol=0, atol=1e-4)
    assert not [m for m in fused.modules() if isinstance(m, torch.nn.BatchNorm3d)]


@pytest.mark.parametrize(
    "entry",
    [
        SlowOnly(depth=14, width=8, num_classes=3, non_local=NonLocal(after=((0,), (), (0,), ()))),
        SlowFast(depth=14, width=8, num_classes=3, slow_stride=4, speed_ratio=4),
    ],
    ids=["non-local", "lateral norms"],
)
def test_norms_outside_residual_blocks_are_folded_too(entry: SlowOnly | SlowFast) -> None:
    model = entry.build()
    for lateral in [m for m in model.modules() if isinstance(m, LateralConv)]:
        lateral.bn = torch.nn.BatchNorm3d(lateral.conv.out_channels)
    made_up.fill(model).double().eval()
    clips = made_up.clips((1, 3, 8, 32, 32)).double()
    with torch.inference_mode():
        before = model(clips)
        fuse_conv_bn(model)
        torch.testing.assert_close(model(clips), before, rtol=1e-9, atol=1e-9)
    assert not [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d)]


def test_a_prediction_equals_the_test_of_the_same_video(
    motions: MotionDataset, model: Recognizer, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions)
    tested = run_test(model, recipe).scored
    torch.save({"state_dict": model.state_dict()}, tmp_path / "w.pth")
    file = tmp_path / "tiny_motions.py"
    file.write_text(
        "from pathlib import Path\n"
        "from praxiscope.data.synthetic import MotionDataset\n"
        "from tests.tiny import tiny_recipe\n"
        f"def recipe(): return tiny_recipe(MotionDataset(Path({str(motions.root)!r})))\n"
    )
    predictor = load_predictor(file, tmp_path / "w.pth", device="cpu")
    for number, video in enumerate(tested.videos[:3]):
        found = predictor(motions.videos("test") / video)
        assert list(found.scores) == motions.label_map.read_text().split()
        ours = torch.tensor(list(found.scores.values()))
        torch.testing.assert_close(ours, tested.scores[number], rtol=0, atol=1e-6)


def test_the_public_model_gives_the_logits_of_normalised_clips(model: Recognizer) -> None:
    made = praxiscope.create_model("slowonly_r50_4x16x1_256e_kinetics400_rgb", num_classes=3)
    assert not made.training
    clips = made_up.clips((2, 3, 4, 32, 32))
    with torch.inference_mode():
        floats = made(made.normalize(clips))
        assert floats.shape == (2, 3)
        assert torch.equal(floats, made(clips))


def test_a_broken_test_video_is_an_error_or_left_out_and_counted(
    motions: MotionDataset, model: Recognizer, tmp_path: Path
) -> None:
    recipe = tiny_recipe(motions, val=with_broken_video(motions, "test", tmp_path))
    with pytest.raises(VideoError, match=r"broken.mp4"):
        run_test(model, recipe)
    tested = run_test(model, recipe, ScoreOptions(skip_broken=True, work_dir=tmp_path))
    assert len(tested.scored.videos) == 7
    assert [broken.index for broken in tested.broken] == [1]
    assert (tmp_path / "broken.txt").read_text().count("\n") == 1


def test_a_misspelt_metric_is_found_before_the_test(
    motions: MotionDataset, model: Recognizer
) -> None:
    with pytest.raises(RecipeError, match="Did you mean 'top_k_accuracy'"):
        run_test(model, tiny_recipe(motions), ScoreOptions(metrics=("topk_accuracy",)))


def test_fresh_weights_begin_as_published() -> None:
    torch.manual_seed(0)
    net = praxiscope.create_model("slowonly_r50_4x16x1_256e_kinetics400_rgb")
    state = init_weights(net).state_dict()
    assert not state["backbone.layer1.0.conv3.bn.weight"].any()
    assert (state["backbone.layer1.0.conv2.bn.weight"] == 1).all()
    fan_out = 64 * 7 * 7
    assert float(state["backbone.conv1.conv.weight"].std()) == pytest.approx(
        (2 / fan_out) ** 0.5, rel=0.05
    )
    assert float(state["cls_head.fc_cls.weight"].std()) == pytest.approx(0.01, rel=0.02)
