"""What a classifier says of the features in a bank."""

import numpy as np
import torch

from praxiscope.banks.bank import Bank
from praxiscope.data.ava_lists import AvaList, read_key_frames
from praxiscope.errors import DataError, PraxiscopeError
from praxiscope.models.detector import Detector, actor_probabilities
from praxiscope.types import ScoredFrame


def score_bank(model: Detector, bank: Bank, ava: AvaList) -> tuple[ScoredFrame, ...]:
    """Return what a detector's classifier says of the features in its bank, in list order.

    They are the scores of a test of the detector, but for the rounding of a bank of halves. Key
    frames that the bank lacks are left out.

    Raises:
        PraxiscopeError: The detector relates persons to more than their own features, or the bank
            is of other persons than the list.
    """
    head = model.roi_head
    if head.shared_head is not None or head.context:
        raise PraxiscopeError(
            "the classes of this detector follow from more than a bank holds: score its list with "
            "'praxiscope test' and a recipe of detection."
        )
    found: dict[int, ScoredFrame] = {}
    device = next(model.eval().parameters()).device
    key_frames = read_key_frames(ava)
    for video, places in key_frames.by_video().items():
        moments = [key_frames[place] for place in places.tolist()]
        boxes = [m.boxes if m.proposals is None else m.proposals for m in moments]
        seconds = np.repeat([int(np.floor(m.timestamp)) for m in moments], list(map(len, boxes)))
        stored = bank.rows(video)
        known = np.isin(seconds, stored.seconds)
        if not np.array_equal(seconds[known], stored.seconds):
            raise DataError(
                f"{bank.path} has other persons in '{video}' than {ava.annotations} and its "
                "proposals: build it anew."
            )
        with torch.inference_mode():
            features = torch.from_numpy(stored.features.astype(np.float32)).to(device)
            logits = head.bbox_head(features[:, :, None, None])
            scores = actor_probabilities(logits, multi_label=ava.multi_label).cpu().numpy()
        row = 0
        for place, moment, own in zip(places.tolist(), moments, boxes, strict=True):
            if int(np.floor(moment.timestamp)) not in stored.seconds:
                continue
            found[place] = ScoredFrame(
                video=moment.video,
                timestamp=moment.timestamp,
                boxes=own,
                scores=scores[row : row + len(own)],
                truth=moment.boxes,
                labels=moment.targets(ava.num_classes),
            )
            row += len(own)
    return tuple(found[place] for place in sorted(found))
