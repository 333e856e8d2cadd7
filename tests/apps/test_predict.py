"""Prediction on one's own videos, and the download of published weights (from a local server)."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

import praxiscope
from praxiscope.apps import predict as app
from praxiscope.apps.predict import find_videos
from praxiscope.data.flow import FlowVideo
from praxiscope.data.lists import Record
from praxiscope.data.recognition import RecognitionDataset
from praxiscope.data.synthetic import MotionDataset
from praxiscope.data.video import open_video
from praxiscope.errors import (
    CheckpointError,
    DataError,
    PraxiscopeError,
    RecipeError,
    VideoError,
)
from praxiscope.recipe import find_recipe, load_recipe
from praxiscope.types import Sample
from praxiscope.zoo import create
from praxiscope.zoo.cards import card
from praxiscope.zoo.weights import save_weights

NAME = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
FAST = (  # a narrow network on one small view
    "test_views.clips=1",
    "test_views.crops=1",
    "model.width=8",
    "test_views.size=64",
    "test_views.short_side=64",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    save_weights(load_recipe(NAME, FAST).model.build(), path)
    return path


@pytest.fixture
def video(motions: MotionDataset) -> Path:
    return motions.videos("test") / "left/left_00000.mp4"


def test_a_prediction_is_a_probability_for_every_class(weights: Path, video: Path) -> None:
    found = praxiscope.predict(video, model=NAME, checkpoint=weights, overrides=FAST)
    assert len(found.scores) == 400
    assert sum(found.scores.values()) == pytest.approx(1, abs=1e-5)
    (best, score), *others = found.top(5)
    assert found.label == best and all(score >= other for _, other in others)


def test_a_recipe_that_averages_logits_is_followed(weights: Path, video: Path) -> None:
    views = ("test_views.clips=3", *FAST[1:])

    def scores(average: str) -> torch.Tensor:
        chosen = (*views, f"average={average}")
        found = praxiscope.predict(video, NAME, weights, overrides=chosen, device="cpu")
        return torch.tensor(list(found.scores.values()))

    recipe = load_recipe(NAME, views)
    videos = replace(recipe.val, root=video.parent, kind="video")
    records = [Record(video.name, ())]
    sample = RecognitionDataset(videos, recipe.clip, recipe.test_views, records=records)[0]
    assert isinstance(sample, Sample)
    model, _ = create.load_model(recipe.model, weights)
    model.eval()
    with torch.inference_mode():
        logits = model(sample.clips)
    torch.testing.assert_close(scores("score"), logits.mean(0).softmax(0))
    torch.testing.assert_close(scores("prob"), logits.softmax(1).mean(0))
    torch.testing.assert_close(scores("none"), scores("prob"))


def test_weights_that_are_no_numbers_are_refused(video: Path, tmp_path: Path) -> None:
    model = load_recipe(NAME, FAST).model.build()
    with torch.no_grad():
        model.get_parameter("cls_head.fc_cls.bias")[3] = torch.nan
    save_weights(model, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"nan.pth gives no numbers as the scores of .*mp4"):
        praxiscope.predict(video, NAME, tmp_path / "nan.pth", overrides=FAST)


def test_a_folder_of_frames_gives_nearly_what_its_video_gives(
    weights: Path, video: Path, tmp_path: Path
) -> None:
    with open_video(video) as source:
        for number, frame in enumerate(source.frames_at(range(source.num_frames)), 1):
            cv2.imwrite(str(tmp_path / f"img_{number:05d}.jpg"), frame[:, :, ::-1])
    predictor = app.load_predictor(NAME, weights, overrides=FAST)
    of_video, of_frames = predictor(video), predictor(tmp_path)
    assert of_frames.scores == pytest.approx(of_video.scores, rel=0.05)


def test_class_names_come_from_a_file_of_labels(weights: Path, video: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"action {n}" for n in range(400)))
    found = praxiscope.predict(video, NAME, weights, labels=labels, overrides=FAST)
    assert list(found.scores)[7] == "action 7"
    labels.write_text("jump\n" * 400)
    with pytest.raises(DataError, match="400 classes have the name 'jump'"):
        praxiscope.predict(video, NAME, weights, labels=labels, overrides=FAST)
    labels.write_text("too\nfew")
    with pytest.raises(DataError, match="labels.txt names 2 classes"):
        praxiscope.predict(video, NAME, weights, labels=labels, overrides=FAST)


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.mp4", b""), ("text.mp4", b"hello"), ("half.mp4", None), ("gone.mp4", None)],
)
def test_a_file_that_is_no_video_is_named(
    weights: Path, video: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if name != "gone.mp4":
        path.write_bytes(video.read_bytes()[:300] if content is None else content)
    with pytest.raises(VideoError, match=rf"^{path} "):
        praxiscope.predict(path, NAME, weights, overrides=FAST)


FLOW = "slowonly_r50_4x16x1_256e_kinetics400_flow"


@pytest.fixture(scope="module")
def flow_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow_weights") / "w.pth"
    save_weights(load_recipe(FLOW, FAST).model.build(), path)
    return path


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_a_model_of_flow_computes_it_from_a_video_as_extraction_stores_it(
    flow_weights: Path, video: Path, tmp_path: Path, method: str
) -> None:
    computed = FlowVideo(open_video(video), video, method=method)
    for number in range(computed.num_frames):
        flow = computed.frames_at([number])[0]
        for part, name in enumerate(("flow_x", "flow_y")):
            cv2.imwrite(str(tmp_path / f"{name}_{number + 1:05d}.jpg"), flow[..., part])
    predictor = app.load_predictor(FLOW, flow_weights, overrides=FAST, flow_method=method)
    seen: list[torch.Tensor] = []
    predictor.model.register_forward_pre_hook(lambda _, inputs: seen.append(*inputs))
    found = predictor(video)
    assert sum(found.scores.values()) == pytest.approx(1, abs=1e-5)
    predictor(tmp_path)
    of_video, of_images = (clips.float() for clips in seen)
    assert of_video.shape == (1, 2, 4, 64, 64) and of_video.std() > 1
    assert (of_video - of_images).abs().mean() < 1  # grey levels, the error of jpeg


def test_a_method_of_flow_that_does_not_exist_is_found_first(video: Path) -> None:
    with pytest.raises(RecipeError, match="no flow method 'diss'. Did you mean 'dis'"):
        praxiscope.predict(video, FLOW, "nothing.pth", flow_method="diss")


def test_a_device_that_does_not_exist_is_named(weights: Path, video: Path) -> None:
    for device in ("cuda:77", "abacus"):
        with pytest.raises(PraxiscopeError, match=f"there is no device '{device}'"):
            praxiscope.predict(video, NAME, weights, device=device, overrides=FAST)


def test_videos_are_found_once_each(motions: MotionDataset) -> None:
    folder = motions.videos("test")
    everything = find_videos([folder])
    assert len(everything) == 8
    assert find_videos([folder / "left/left_00000.mp4", folder]) == [
        folder / "left/left_00000.mp4",
        *(video for video in everything if video.parent.name != "left"),
    ]
    with pytest.raises(DataError, match=r"\*.mkv stands for no video"):
        find_videos([f"{folder}/**/*.mkv"])


class _Quiet(SimpleHTTPRequestHandler):
    requests: list[str]

    def log_message(self, *_: Any) -> None:
        type(self).requests.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of ``tmp_path`` on this machine, and what it was asked for."""
    handler = type("Handler", (_Quiet,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=tmp_path)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", handler.requests  # type: ignore[attr-defined]
        http.shutdown()
        thread.join()


@pytest.mark.network
def test_a_published_name_downloads_its_checkpoint_once_and_checks_it(
    weights: Path,
    video: Path,
    tmp_path: Path,
    server: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, requests = server
    content = weights.read_bytes()
    name = f"{NAME}_20200704-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("PRAXISCOPE_CACHE", str(tmp_path / "cache"))
    published = replace(card(NAME), checkpoint_url=f"{address}/{name}")
    monkeypatch.setattr(create, "card", lambda _: published)
    monkeypatch.setattr(app, "published_class_names", lambda _: tuple(map(str, range(400))))
    first = praxiscope.predict(video, NAME, overrides=FAST)
    assert (tmp_path / "cache" / name).read_bytes() == content
    asked = len(requests)
    assert praxiscope.predict(video, NAME, overrides=FAST) == first
    assert len(requests) == asked

    damaged = f"{NAME}_20200704-00000000.pth"
    (tmp_path / damaged).write_bytes(content)
    published = replace(published, checkpoint_url=f"{address}/{damaged}")
    with pytest.raises(CheckpointError, match="00000000"):
        praxiscope.create_model(NAME, checkpoint="published")
    assert not (tmp_path / "cache" / damaged).exists()


def test_a_recipe_without_published_weights_says_so(video: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(find_recipe(NAME).read_text())
    with pytest.raises(RecipeError, match="mine"):
        praxiscope.predict(video, mine)


def test_a_recipe_of_detection_is_for_detect() -> None:
    name = "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb"
    with pytest.raises(RecipeError, match="is a recipe of detection: 'praxiscope detect' says"):
        app.load_predictor(name)
