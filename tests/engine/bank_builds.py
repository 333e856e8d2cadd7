"""Banks filled by processes that die, or are two: ``python -m tests.engine.bank_builds FOLDER``.

It forks, so that a process costs nothing. No thread is started before that.
"""

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from praxiscope.data.boxes import BoxTransform
from praxiscope.data.sampling import Clip
from praxiscope.data.synthetic_ava import AvaDatasetFiles
from praxiscope.engine.bank_filling import FillOptions, fill_bank
from praxiscope.engine.trainer import Devices
from praxiscope.errors import VideoError
from praxiscope.models.detector import ActorDetector, Detector
from praxiscope.models.slowonly import SlowOnly
from praxiscope.recipe import BankRecipe, Loader
from tests.banks.builds import exit_code, fork
from tests.parity import made_up

MADE_BY = {"checkpoint": "abc"}
VIDEOS = 5
REFUSED = 2


def bank_recipe(actors: AvaDatasetFiles, folder: Path) -> BankRecipe:
    outputs = actors.list("val").num_classes
    return BankRecipe(
        model=ActorDetector(network=SlowOnly(depth=14, width=8, num_classes=outputs)),
        clip=Clip(frames=2, stride=2),
        train=actors.list("train"),
        val=actors.list("val"),
        folder=folder,
        test_transform=BoxTransform(short_side=(32, 32), size=None, flip=0),
        loader=Loader(workers=0),
    )


def detector(recipe: BankRecipe) -> Detector:
    model = made_up.model(recipe.model)
    assert isinstance(model, Detector)
    return model


def fill(
    actors: AvaDatasetFiles, path: Path, *, launcher: str = "none", root: Path | None = None
) -> None:
    """Fill the bank of the training list, of the videos in ``root`` if given."""
    recipe = bank_recipe(actors, path.parent)
    recipe = replace(recipe, train=replace(recipe.train, root=root or actors.folder))
    options = FillOptions(devices=Devices(launcher=launcher))
    fill_bank(detector(recipe), recipe, path, options, metadata=MADE_BY)


def undisturbed(actors: AvaDatasetFiles, path: Path) -> float:
    """Return the seconds it takes."""
    started = time.monotonic()
    assert exit_code(fork(lambda: fill(actors, path))) == 0
    return time.monotonic() - started


def killed(actors: AvaDatasetFiles, folder: Path, seconds: float) -> list[list[int]]:
    """Kill builds at ten random moments and go on with each to its end.

    Return of every build how many videos were done after each of its deaths.
    """
    random = np.random.default_rng()
    histories: list[list[int]] = []
    while (left := 10 - sum(map(len, histories))) > 0:
        path, history = folder / f"{len(histories)}.safetensors", []
        while not path.exists() and len(history) < left:
            worker = fork(lambda to=path: fill(actors, to))  # type: ignore[misc]
            time.sleep(random.uniform(0, seconds))
            os.kill(worker, signal.SIGKILL)
            exit_code(worker)
            history.append(
                VIDEOS
                if path.exists()
                else len(list(folder.glob(f"{path.name}.parts/*.safetensors")))
            )
        undisturbed(actors, path)
        histories.append(history)
    return histories


def spoil(actors: AvaDatasetFiles, root: Path) -> None:
    """Copy the videos to ``root`` and damage one of them."""
    shutil.copytree(actors.folder, root)
    path = root / "train_00001.mp4"
    path.write_bytes(path.read_bytes()[:3000])


def in_two(actors: AvaDatasetFiles, path: Path, root: Path | None = None) -> list[int]:
    """Fill by two processes that share the work, as torchrun starts them.

    Return what each exits with: ``REFUSED`` where a video is broken.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    workers = [fork(_ranked(actors, path, root, rank, port)) for rank in range(2)]
    return [exit_code(worker) for worker in workers]


def _ranked(
    actors: AvaDatasetFiles, path: Path, root: Path | None, rank: int, port: int
) -> Callable[[], None]:
    def work() -> None:
        names = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK")
        os.environ |= dict(zip(names, ("2", "2", str(rank), str(rank), "0"), strict=True))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        os.environ |= {"TORCHELASTIC_RUN_ID": "none"}
        try:
            fill(actors, path, launcher="pytorch", root=root)
        except VideoError:
            os._exit(REFUSED)

    return work


def main() -> None:
    folder = Path(sys.argv[1])
    actors = AvaDatasetFiles(folder / "actors")
    seconds = undisturbed(actors, folder / "banks" / "undisturbed.safetensors")
    histories = killed(actors, folder / "banks", seconds)
    assert in_two(actors, folder / "banks" / "in_two.safetensors") == [0, 0]
    spoil(actors, folder / "spoilt")
    refused = in_two(actors, folder / "refused" / "bank", folder / "spoilt")
    digests = [sha256(path.read_bytes()).hexdigest() for path in folder.glob("banks/*.safetensors")]
    left = [path.name for path in folder.glob("banks/*.parts")]
    found = {"digests": digests, "killed": histories, "left": left, "refused": refused}
    print(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
