"""Who does what in a video of one's own: detection as one function."""

from collections.abc import Sequence
from pathlib import Path

from praxiscope.apps.action_detector import DetectOptions, load_detector
from praxiscope.apps.actors import Moment
from praxiscope.apps.detect_outputs import Outputs, detect_video
from praxiscope.apps.persons import PersonProvider, find_provider


def detect(
    video: str | Path,
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    bank_checkpoint: str | Path | None = None,
    persons: str | PersonProvider = "auto",
    out: str | Path | None = None,
    json: str | Path | None = None,
    csv: str | Path | None = None,
    rate: float = 1.0,
    smooth: float = 1.0,
    threshold: float = 0.3,
    top: int = 3,
    seconds: float | None = None,
    fps: float | None = None,
    first_timestamp: float = 0.0,
    only_past: bool | None = None,
    persons_weights: str | Path | None = None,
    min_person_score: float | None = None,
    labels: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
) -> tuple[Moment, ...]:
    """Return who does what in a video, key frame by key frame.

    ``moments[i].actors[j]`` has ``box`` (xyxy, shares of the frame), ``track``, ``score`` of being
    a person and ``scores`` of all classes. A video without people gives moments without actors.

    Args:
        video: A file, a folder of frame images, a camera (``0``) or an address (``rtsp://...``).
        model: See :func:`praxiscope.apps.action_detector.load_detector`, as for ``checkpoint``,
            ``bank_checkpoint``, ``labels``, ``overrides`` and ``device``.
        persons: See :func:`praxiscope.apps.persons.find_provider`, as for ``persons_weights`` and
            ``min_person_score``; or a function of a frame (H, W, 3) and its seconds that returns
            :class:`praxiscope.apps.persons.Persons`.
        out: An annotated mp4.
        json: JSON lines, one a key frame.
        csv: Detections in AVA's layout.
        rate: See :class:`praxiscope.apps.action_detector.DetectOptions`; so are the others.

    Raises:
        PraxiscopeError: The recipe, the weights or the video cannot be used; the message says why.
    """
    options = DetectOptions(
        rate=rate,
        smooth=smooth,
        threshold=threshold,
        top=top,
        seconds=seconds,
        fps=fps,
        first_timestamp=first_timestamp,
        only_past=only_past,
    )
    detector = load_detector(
        model,
        checkpoint,
        bank_checkpoint=bank_checkpoint,
        labels=labels,
        overrides=overrides,
        device=device,
    )
    stream = detector.open(video, options)
    provider = persons
    if isinstance(provider, str):
        provider = find_provider(
            provider,
            weights=persons_weights,
            min_score=min_person_score,
            device=device,
            video_name=stream.video,
            first_timestamp=first_timestamp,
        )
    found: list[Moment] = []
    with Outputs(detector, options, json, csv) as outputs:
        detect_video(detector, stream, provider, options, outputs, out=out, each=found.append)
    return tuple(found)
