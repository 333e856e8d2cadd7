"""The speed of a network on its test views."""

import re
from pathlib import Path

import pytest
import torch

from praxiscope.apps.tools import benchmark
from praxiscope.apps.tools.benchmark import Speed
from praxiscope.cli import tool_main
from praxiscope.data.synthetic import MotionDataset
from praxiscope.models.complexity import complexity
from praxiscope.recipe import load_recipe
from praxiscope.zoo.weights import save_weights
from tests.apps.tools.recipe_file import write_motion_recipe

VIEWS = ("--cfg-options", "test_views.clips=2", "test_views.crops=3")


@pytest.fixture
def recipe(workdir: Path, motions: MotionDataset) -> Path:
    return write_motion_recipe(workdir / "recipe.py", motions)


def test_speed_memory_and_multiply_adds_are_printed(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(load_recipe(recipe).model.build(), recipe.with_name("w.pth"))
    options = ("--device", "cpu", "--num-videos", "4", "--log-interval", "2", "--fuse-conv-bn")
    assert tool_main("benchmark", [str(recipe), "w.pth", *options, *VIEWS]) == 0
    said = capsys.readouterr()
    assert "6 views a video (2 clips x 3 crops) of 3x4x32x32 on cpu" in said.out
    assert re.search(r"Overall: [\d.e+]+ video/s \(mean\), [\d.e+]+ video/s \(median\)", said.out)
    memory = re.search(r"Peak memory of the process: (\d+) MiB", said.out)
    assert memory is not None and 50 < int(memory[1]) < 100_000
    gmacs = complexity(load_recipe(recipe).model.build(), (1, 3, 4, 32, 32)).gmacs
    assert f"{gmacs:.2f} GMACs a view, {6 * gmacs:.1f} GMACs a video" in said.out
    assert said.err.count("Done video [") == 2 and "Done video [4/4]" in said.err


def test_every_timed_video_has_all_its_views_in_chunks_that_fit(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = load_recipe(recipe, VIEWS[1:])
    sizes: list[tuple[int, ...]] = []
    model = chosen.model.build().eval()
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape)))
    monkeypatch.setattr(model, "probabilities", lambda clips: model(clips).softmax(-1))
    monkeypatch.setitem(benchmark.WARM_UP, "cpu", 2)
    speed = benchmark.time_videos(model, chosen, torch.device("cpu"), count=3, max_views=4)
    assert len(speed.seconds) == 3
    assert sizes == [(4, 3, 4, 32, 32), (2, 3, 4, 32, 32)] * 5


def test_mean_and_median_are_of_the_times_of_videos() -> None:
    speed = Speed((1.0, 1.0, 4.0), 0)
    assert speed.mean == 0.5 and speed.median == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--num-videos", "0"), "--num-videos must be a whole number of at least 1"),
        (("--log-interval", "0"), "--log-interval must be"),
        (("--max-testing-views", "0"), "--max-testing-views must be"),
        (("--device", "cuda:99"), "there is no device 'cuda:99'"),
        (("w.pth", "--checkpoint", "w.pth"), "two checkpoints were given"),
        (("gone.pth",), "there is no checkpoint gone.pth"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    recipe: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_main("benchmark", [str(recipe), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.gpu
def test_memory_of_a_gpu_is_that_of_the_network(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_main("benchmark", [str(recipe), "--device", "cuda", *VIEWS]) == 0
    said = capsys.readouterr()
    memory = re.search(r"Peak memory of the GPU: (\d+) MiB", said.out)
    assert memory is not None and 0 < int(memory[1]) < 1000
    assert "Done video [200/200]" in said.err
