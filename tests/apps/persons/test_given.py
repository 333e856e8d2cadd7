import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from praxiscope.apps.persons import find_provider
from praxiscope.errors import DataError, PraxiscopeError
from tests.apps.persons.figures import blank

FRAME = blank(24, 32)
ONE, TWO = [0.1, 0.2, 0.5, 0.9], [0.5, 0.1, 0.75, 1.0]


@pytest.fixture
def proposals(tmp_path: Path) -> Path:
    path = tmp_path / "persons.pkl"
    content = {
        "match,0902": np.array([[*ONE, 0.95], [*TWO, 0.99], [*ONE, 0.3]]),
        "match,0903": np.empty((0, 5)),
        "match,0906": np.array([[*TWO, 0.91]]),
        "other,0902": np.array([[*TWO, 1.0]]),
    }
    path.write_bytes(pickle.dumps(content))
    return path


def test_the_nearest_moment_of_the_file_has_the_persons(proposals: Path) -> None:
    provider = find_provider(str(proposals), video_name="match", first_timestamp=900)
    assert provider.name == "persons.pkl"
    for seconds in (1.5, 1.6, 2.0, 2.5):  # of two equally near the earlier
        found = provider(FRAME, seconds)
        assert found.boxes == pytest.approx(np.array([TWO, ONE], np.float32))
        assert found.scores == pytest.approx(np.array([0.99, 0.95]))
    assert len(provider(FRAME, 3.0)) == 0  # the file says so
    assert len(provider(FRAME, 4.5)) == 0  # the file says nothing
    assert len(provider(FRAME, 5.49)) == 0
    assert provider(FRAME, 5.5).boxes == pytest.approx(np.array([TWO], np.float32))
    assert len(provider(FRAME, 7.0)) == 0
    assert len(find_provider(str(proposals), video_name="match")(FRAME, 2.0)) == 0


def test_proposals_below_the_minimal_score_are_left_out(
    proposals: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider = find_provider(str(proposals), video_name="match", first_timestamp=900, min_score=0.2)
    assert provider(FRAME, 2).scores == pytest.approx(np.array([0.99, 0.95, 0.3]))
    with caplog.at_level(logging.WARNING):
        find_provider(str(proposals), video_name="match", min_score=0.995)
    assert "no person of 'match' with a score of 0.995 or more, the best has 0.99" in caplog.text


def test_csv_and_npz_files_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("match,2,0.1,0.2,0.5,0.9\n")
    np.savez(tmp_path / "a.npz", **{"match,0002": np.array([ONE], np.float32)})
    for name in ("a.csv", "a.npz"):
        found = find_provider(str(tmp_path / name))(FRAME, 2.2)  # the one video of the file
        assert found.boxes == pytest.approx(np.array([ONE], np.float32))
        assert found.scores.tolist() == [1]


def test_boxes_are_clipped_to_the_frame_and_empty_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("m,0,-0.1,0.5,0.5,1.2\nm,0,0.3,0.3,0.3,0.9\nm,0,1.1,0.1,1.4,0.9\n")
    assert find_provider(str(path))(FRAME, 0).boxes.tolist() == [[0, 0.5, 0.5, 1]]


def test_what_is_wrong_with_the_file_is_said(proposals: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no persons of the video 'mach'. Did you mean 'match'?"):
        find_provider(str(proposals), video_name="mach")
    with pytest.raises(DataError, match="persons of 2 videos, such as 'match': say which"):
        find_provider(str(proposals))
    with pytest.raises(DataError, match="nowhere.npz"):
        find_provider(str(tmp_path / "nowhere.npz"))
    empty, pixels = tmp_path / "empty.csv", tmp_path / "pixels.csv"
    empty.write_text("")
    with pytest.raises(DataError, match="empty.csv has no proposals"):
        find_provider(str(empty))
    pixels.write_text("match,2,10,20,50,90\n")
    with pytest.raises(DataError, match="'match' are no shares of the frame"):
        find_provider(str(pixels))


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, (str(tmp_path),)

    path = tmp_path / "harm.pkl"
    path.write_bytes(pickle.dumps({"match,0902": Harm()}))
    with pytest.raises(PraxiscopeError, match="harm.pkl"):
        find_provider(str(path))


def test_the_whole_frame_is_one_person() -> None:
    found = find_provider("frame")(FRAME, 3)
    assert found.boxes.tolist() == [[0, 0, 1, 1]] and found.scores.tolist() == [1]
