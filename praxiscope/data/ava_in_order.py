"""All key frames of some videos, video after video, for those who want every one of them."""

from collections.abc import Iterator, Sequence
from itertools import islice

from torch.utils.data import IterableDataset, get_worker_info

from praxiscope.data.ava import AvaDataset
from praxiscope.data.batch import collate_actors
from praxiscope.types import ActorBatch, Indices


class KeyFramesInOrder(IterableDataset[ActorBatch]):
    """Batches of key frames; each is of one video, and which key frames it has depends on that.

    Of several loading processes each takes whole videos.

    Args:
        key_frames: The list, which draws nothing.
        places: Of each video, the places of its key frames in the order of time.
        batch: Key frames of a batch; the last one of a video may have fewer.
    """

    def __init__(self, key_frames: AvaDataset, places: Sequence[Indices], *, batch: int) -> None:
        self.key_frames, self.places, self.batch = key_frames, tuple(places), batch

    def __iter__(self) -> Iterator[ActorBatch]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for places in self.places[first::step]:
            samples = self.key_frames.in_order(places.tolist())
            while part := list(islice(samples, self.batch)):
                yield collate_actors(part)
