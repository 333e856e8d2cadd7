"""What is found in proposals that do not fit, and how many persons they meet."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.data.doctor import recall
from praxiscope.data.doctor.examine import examine
from praxiscope.data.doctor.recall import best_overlaps, taken
from praxiscope.models.box_sampling import iou
from tests.data.test_doctor import only, wrong
from tests.data.tiny_ava import BOXES, proposals, write_tiny_ava


@pytest.fixture
def ava(tmp_path: Path) -> AvaList:
    return write_tiny_ava(tmp_path)


def with_proposals(ava: AvaList, content: object) -> AvaList:
    assert ava.proposals is not None
    ava.proposals.write_bytes(pickle.dumps(content))
    return ava


def spoilt(**changes: Any) -> dict[str, Any]:
    """Return the proposals of both videos with some of their moments exchanged."""
    return {key: boxes for key, boxes in proposals().items() if key[0] != "c"} | changes


class _Hostile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_that_would_execute_is_a_finding_and_nothing_is_run(
    ava: AvaList, nested: bool, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    hostile = _Hostile(trace)
    with_proposals(ava, spoilt(**{"a,0011": hostile}) if nested else hostile)
    found = list(wrong(examine(ava)).values())
    assert found[0].severity == "error"
    assert "refused" in found[0].example
    assert not trace.exists()
    assert ava.proposals is not None
    pickle.loads(ava.proposals.read_bytes())  # it is as dangerous as it should be
    assert trace.exists()


def test_entries_that_are_no_boxes_are_told_and_the_others_read(ava: AvaList) -> None:
    content = spoilt(**{"a0011": np.ones((1, 5)), "a,0010": np.ones((1, 3)), "b,0010": "box"})
    found = only(examine(with_proposals(ava, content)))
    assert (found.severity, found.what, found.count) == ("error", "malformed proposals", 3)
    assert "'a,0010' is an array of shape (1, 3)" in found.example


def test_proposals_of_unknown_videos_are_a_warning(ava: AvaList) -> None:
    found = only(examine(with_proposals(ava, proposals())))
    assert found.what == "videos of the proposals that have no annotations"
    assert (found.severity, found.count) == ("warning", 1)
    assert found.example == f"{ava.proposals}: c"


def test_key_frames_without_proposals_are_told_with_their_line(ava: AvaList) -> None:
    content = spoilt()
    del content["a,0012"]
    found = wrong(examine(with_proposals(ava, content)))
    none = found["key frames without proposals"]
    assert (none.severity, none.count) == ("warning", 1)
    assert none.example == f"{ava.annotations}:3: a at 12 s"
    found = wrong(examine(with_proposals(ava, {"a,0013": np.ones((0, 5))})))
    assert found["key frames without proposals"].severity == "error"
    (recalled,) = (one for what, one in found.items() if what.startswith("persons that no"))
    assert recalled.severity == "error"  # whole frames meet nobody


def test_proposals_in_pixels_or_of_odd_scores_are_told(ava: AvaList) -> None:
    pixels = np.array([[10, 20, 300, 400, 0.95]], np.float32)
    found = wrong(examine(with_proposals(ava, spoilt(**{"b,0012": pixels}))))
    outside = found["proposals in pixels: coordinates below -1 or above 2"]
    assert (outside.severity, outside.count) == ("error", 1)
    assert outside.example == f"{ava.proposals}, 'b,0012': box 10, 20, 300, 400, score 0.95"
    beyond = np.array([[0.5, 0.5, 1.05, 1, 0.95]])
    found = wrong(examine(with_proposals(ava, spoilt(**{"b,0012": beyond}))))
    assert found["proposals that reach beyond the frame"].severity == "warning"
    percent = np.array([[*BOXES[0], 95]])
    found = wrong(examine(with_proposals(ava, spoilt(**{"b,0012": percent}))))
    assert found["proposals whose score is not from 0 to 1"].severity == "warning"
    flat = np.array([[0.5, 0.5, 0.2, 0.2, 0.95]])
    found = wrong(examine(with_proposals(ava, spoilt(**{"b,0012": flat}))))
    assert found["proposals without an area"].count == 1


def test_what_a_lower_score_would_win_is_said(ava: AvaList) -> None:
    low = {key: boxes * np.array([1, 1, 1, 1, 0.6]) for key, boxes in spoilt().items()}
    for boxes in low.values():
        boxes[0, 4] = 0.7  # the best one, which is right in one key frame of four
    found = wrong(examine(with_proposals(ava, low)))
    assert found["key frames without a proposal that scores 0.9"].count == 4
    (what,) = (what for what in found if what.startswith("persons that no proposal meets"))
    assert what.endswith("25.0% / 25.0% / 25.0% (1.0 boxes a key frame)")
    assert found[what].severity == "warning"
    assert found[what].count == 3
    assert found[what].example == f"{ava.annotations}:3: box 0.5, 0.5, 0.9, 0.9"
    assert "min_score=0.5: 100.0% / 100.0% / 100.0% (3.0 boxes a key frame)" in found[what].advice


def test_proposals_beside_all_persons_are_an_error(ava: AvaList) -> None:
    beside = {key: boxes * np.array([0.1, 0.1, 0.1, 0.1, 1]) for key, boxes in spoilt().items()}
    found = only(examine(with_proposals(ava, beside)))
    assert (found.severity, found.count) == ("error", 4)


def test_parts_of_untrimmed_videos_have_the_proposals_of_the_whole(ava: AvaList) -> None:
    ava.annotations.write_text(ava.annotations.read_text().replace("a,", "f_000010_000015,"))
    (ava.root / "a").rename(ava.root / "f_000010_000015")
    content = {key.replace("a", "f"): boxes for key, boxes in spoilt().items()}
    assert ava.excluded is not None
    ava.excluded.write_text("")
    assert wrong(examine(replace(with_proposals(ava, content), trimmed=True))) == {}


def random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    corners = np.sort(rng.random((number, 2, 2)), axis=1)
    return corners.reshape(number, 4)


@pytest.mark.parametrize("pairs", [1, 7, 10**6])
def test_best_overlaps_are_those_of_all_pairs(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "PAIRS_AT_ONCE", pairs)
    rng = np.random.default_rng(0)
    truth, boxes = random_boxes(rng, 60), random_boxes(rng, 90)
    frame, at = rng.integers(0, 25, 60), rng.integers(3, 28, 90)
    every = iou(torch.from_numpy(truth), torch.from_numpy(boxes)).numpy()
    expected = (every * (frame[:, None] == at)).max(axis=1)
    np.testing.assert_allclose(best_overlaps(truth, frame, boxes, at), expected, atol=1e-12)
    assert (expected == 0).any()
    assert (best_overlaps(truth, frame, boxes[:0], at[:0]) == 0).all()
    assert len(best_overlaps(truth[:0], frame[:0], boxes, at)) == 0


def test_the_proposals_taken_are_those_of_the_list(ava: AvaList) -> None:
    rng = np.random.default_rng(1)
    number = rng.integers(0, 6, 300)
    scores = rng.choice(np.array([0.3, 0.5, 0.9, 0.95], np.float32), number.sum())
    at = np.repeat(np.arange(300), number)
    boxes = np.column_stack((random_boxes(rng, len(at)).astype(np.float32), scores))
    content = {f"a,{1000 + frame}": boxes[at == frame] for frame in range(300)}
    lines = [f"a,{1000 + frame},0,0,1,1,1\n" for frame in range(300)]
    ava.annotations.write_text("".join(lines))
    listed = replace(with_proposals(ava, content), last_timestamp=None, max_proposals=2)
    chosen = taken(scores, at, listed.min_score, listed.max_proposals)
    for frame, key_frame in enumerate(read_key_frames(listed)):
        if number[frame]:
            assert key_frame.proposals is not None
            np.testing.assert_array_equal(boxes[chosen & (at == frame), :4], key_frame.proposals)
