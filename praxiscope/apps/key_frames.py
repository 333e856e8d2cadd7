"""Key frames with boxes for a report: who is there, what is true, what detectors say."""

import base64
from collections.abc import Mapping, Sequence
from contextlib import closing
from html import escape

import cv2
import numpy as np
import torch

from praxiscope.data.ava import output_names
from praxiscope.data.ava_lists import AvaList, KeyFrame, open_source, read_key_frames
from praxiscope.data.keyframes import key_frame_index
from praxiscope.models.box_sampling import iou
from praxiscope.types import Frame, ScoredFrame

HEIGHT_PX = 240  # of a picture in the page, about
SURE = 0.5  # labels with this probability are shown


def key_frame_cards(
    ava: AvaList, scored: Mapping[str, Sequence[ScoredFrame]], *, count: int = 4
) -> str:
    """Return key frames as HTML, evenly chosen among those with the most persons.

    Args:
        scored: What each detector, by its name, says of the list's key frames.

    Raises:
        DataError: A video is missing or cannot be read.
    """
    moments = read_key_frames(ava)
    most = max(len(moment.boxes) for moment in moments)
    crowded = [moment for moment in moments if len(moment.boxes) == most]
    chosen = crowded[:: max(1, len(crowded) // count)][:count]
    names = output_names(ava) or tuple(map(str, range(ava.num_classes)))
    by_moment = {
        name: {(frame.video, frame.timestamp): frame for frame in frames}
        for name, frames in scored.items()
    }
    cards = "".join(
        _card(
            _picture(ava, moment),
            moment,
            {name: of[moment.video, moment.timestamp] for name, of in by_moment.items()},
            names,
        )
        for moment in chosen
    )
    return (
        "<p>Boxes are the true ones. A detector's labels are those of the proposal that overlaps a "
        f"box most, with a probability of {SURE:g} and above; wrong ones are struck through.</p>"
        f'<ul class="moments">{cards}</ul>'
    )


def _picture(ava: AvaList, moment: KeyFrame) -> bytes:
    """Return the key frame with numbered boxes, as a PNG file."""
    with closing(open_source(ava, moment.source)) as source:
        index = key_frame_index(
            moment.timestamp,
            source.num_frames,
            fps=moment.source.fps,
            first_timestamp=moment.source.first_timestamp,
            late=ava.late,
        )
        frame: Frame = source.frames_at(np.array([index]))[0]
    scale = max(1, round(HEIGHT_PX / frame.shape[0]))
    height, width = frame.shape[0] * scale, frame.shape[1] * scale
    large = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
    for number, box in enumerate(moment.boxes, start=1):
        x1, y1, x2, y2 = (box * (width, height, width, height)).round().astype(int).tolist()
        cv2.rectangle(large, (x1, y1), (x2, y2), (255, 255, 255), 1, cv2.LINE_AA)
        place = (x1, max(y1 - 5, 12))
        cv2.putText(large, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    written, data = cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    assert written
    return data.tobytes()


def _card(
    picture: bytes, moment: KeyFrame, scored: Mapping[str, ScoredFrame], names: Sequence[str]
) -> str:
    where = escape(f"{moment.video}, {moment.timestamp:g} seconds")
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in scored)
    rows = []
    for person, columns in enumerate(moment.labels):
        true = [names[column] for column in columns]
        cells = "".join(
            f"<td>{_labels(found, true)}</td>"
            for frame in scored.values()
            for found in [_found(frame, moment.boxes[person], names)]
        )
        rows.append(
            f'<tr><th scope="row">{person + 1}</th><td>{escape(", ".join(true))}</td>{cells}</tr>'
        )
    image = base64.b64encode(picture).decode("ascii")
    return (
        f'<li><figure class="card"><img alt="Key frame of {where}, with boxes" '
        f'src="data:image/png;base64,{image}"><figcaption><p class="file">{where}</p>'
        '<div class="scroll"><table class="numbers"><tr><th scope="col">actor</th>'
        f'<th scope="col">true labels</th>{titles}</tr>{"".join(rows)}</table></div>'
        "</figcaption></figure></li>"
    )


def _found(
    frame: ScoredFrame, box: np.ndarray, names: Sequence[str]
) -> list[tuple[str, float]] | None:
    """Return the labels of the proposal that overlaps a box most; None if none does by half."""
    if not len(frame.boxes):
        return None
    overlap = iou(torch.tensor(frame.boxes), torch.tensor(box)[None])[:, 0]
    if overlap.max() < 0.5:
        return None
    scores = frame.scores[int(overlap.argmax())].tolist()
    sure = [(names[column], scores[column]) for column in range(1, len(scores))]
    return [(name, score) for name, score in sure if score >= SURE]


def _labels(found: list[tuple[str, float]] | None, true: Sequence[str]) -> str:
    if found is None:
        return "not proposed"
    told = []
    for name, score in found:
        text = f"{escape(name)} {100 * score:.0f}%"
        told.append(text if name in true else f"<del>{text}</del>")
    return ", ".join(told) or "nothing"
