"""How much the mAP of a detector with a feature bank depends on which persons are drawn from it.

Of a second with more persons than a window has places some are left out: evenly chosen ones, or, as
published, random ones.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from rich.console import Console

from praxiscope.apps.options import add_cfg_options
from praxiscope.apps.predict import find_device
from praxiscope.apps.printing import print_line, print_table
from praxiscope.banks.windows import WithWindows
from praxiscope.checks import check_whole
from praxiscope.data.batch import ShardSampler, make_loader
from praxiscope.engine.detection_data import DetectionData
from praxiscope.engine.detections import evaluate_frames
from praxiscope.engine.loading import TEST_BATCH
from praxiscope.engine.results import check_writable
from praxiscope.errors import PraxiscopeError
from praxiscope.files import write_atomically
from praxiscope.models.detector import Detector, actor_probabilities
from praxiscope.progress import CountProgress
from praxiscope.recipe import DetectionRecipe, load_recipe
from praxiscope.types import ActorBatch, ItemKey, ScoredFrame
from praxiscope.zoo.create import find_checkpoint, load_model


@dataclass(frozen=True)
class Spread:
    """mAP@0.5IOU of one detector on one list, by how the windows were drawn."""

    even: float
    draws: dict[int, float]  # by seed
    key_frames: int
    crowded: int  # windows with a second of more persons than places, where a draw matters

    @property
    def summary(self) -> dict[str, float]:
        """Figures of the random draws."""
        values = list(self.draws.values())
        return {
            "mean": fmean(values),
            "standard deviation": stdev(values),
            "least": min(values),
            "greatest": max(values),
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, the weights, and how often to draw."""
    add = parser.add_argument
    add("config", help="a recipe of a detector with a bank: a file, or the name of a published one")
    add("checkpoint", help="weights: a file, or a published checkpoint's name")
    add("--draws", type=int, default=10, help="random draws, at least 2 (default: 10)")
    add("--seed", type=int, default=0, help="of the first draw; the next ones count on (default 0)")
    add("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    add("--skip-broken", action="store_true", help="leave out key frames that cannot be decoded")
    add("--out", type=Path, metavar="JSON", help="write the figures")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the mAP of the even choice and of every draw, and how far they lie apart."""
    check_whole(args.draws, "--draws", least=2)
    check_whole(args.seed, "--seed", least=0)
    if args.out:
        check_writable(args.out, (".json",))
    recipe = load_recipe(args.config, args.cfg_options, kind=DetectionRecipe)
    if recipe.bank is None:
        raise PraxiscopeError(
            f"{args.config} is a recipe without a feature bank: there is nothing to draw."
        )
    device = find_device(args.device)
    file = find_checkpoint(args.checkpoint, args.config)
    model, report = load_model(recipe.model, file, clip=recipe.clip)
    seeds = range(args.seed, args.seed + args.draws)
    spread = score_draws(model, recipe, seeds, device=device, skip_broken=args.skip_broken)
    console = Console()
    print_line(console, str(report))
    print_line(
        console,
        f"{spread.key_frames:,} key frames; {spread.crowded:,} of them have a second with more "
        f"than {recipe.bank.per_second} persons in their window",
    )
    draws = {f"random, seed {seed}": value for seed, value in spread.draws.items()}
    heads = ("persons", f"mAP@0.5IOU ({recipe.protocol})")
    print_table(console, heads, {"evenly chosen": spread.even, **draws}.items())
    print_table(console, ("of the random ones", "mAP"), spread.summary.items())
    if args.out:
        found = {**asdict(spread), **spread.summary, "protocol": recipe.protocol}
        write_atomically(args.out, lambda written: written.write(json.dumps(found).encode()))
    return 0


def score_draws(
    model: Detector,
    recipe: DetectionRecipe,
    seeds: range,
    *,
    device: torch.device,
    skip_broken: bool = False,
) -> Spread:
    """Test ``model`` with the even choice, and with the draw of every seed.

    Each figure is that of :func:`praxiscope.engine.testing.run_detection_test` with
    ``bank.test_draw`` "even", or "random" and the seed. A key frame is decoded, and seen by the
    backbone, once; the head then looks at each window. The scores of all draws are in memory until
    the end: AVA's validation list with ten draws takes half a gigabyte.

    Raises:
        PraxiscopeError: A list, a video or the bank cannot be used, or all draws are the same.
    """
    data = DetectionData(recipe, seed=0, skip_broken=skip_broken)
    data.check("test")
    dataset = data.test_set
    banked = data.with_windows(dataset)
    crowded = banked.count_crowded()
    if not crowded:
        raise PraxiscopeError(
            f"{banked.bank.path} has at most {banked.per_second} persons a second around the key "
            f"frames of {dataset.name}: all of them take part, and every draw gives the same mAP."
        )
    loader = make_loader(
        dataset,
        TEST_BATCH,
        ShardSampler(len(dataset), rank=0, world_size=1),
        workers=min(data.workers, len(dataset)),
        skip_broken=skip_broken,
        collate=data.collate,
    )
    frames: dict[int | None, list[ScoredFrame]] = {choice: [] for choice in (None, *seeds)}
    model.eval().to(device)
    with (
        torch.inference_mode(),
        CountProgress("scoring", len(dataset), unit="key frames") as progress,
    ):
        for batch in loader:
            progress.advance(TEST_BATCH)
            if len(batch):
                for choice, frame in _seen(model, batch.to(device), banked, frames):
                    frames[choice].append(frame)
    if not frames[None]:
        raise PraxiscopeError(f"{dataset.name}: no key frame is left, all videos are broken.")
    found: dict[int | None, float] = {}
    with CountProgress("mAP", len(frames), unit="draws") as progress:
        for choice, own in frames.items():
            found[choice] = _mean_precision(own, recipe)
            progress.advance(1)
    even = found.pop(None)
    draws = {seed: found[seed] for seed in seeds}
    return Spread(even, draws, len(frames[None]), crowded)


def _seen(
    model: Detector, batch: ActorBatch, banked: WithWindows, seeds: Iterable[int | None]
) -> Iterator[tuple[int | None, ScoredFrame]]:
    """Yield one key frame's scores with the window of every seed."""
    (index,), (shares,) = batch.indices, batch.shares
    ava = banked.key_frames.ava
    moment = banked.key_frames.key_frames[index]
    labels = moment.targets(ava.num_classes)
    maps = model.features(batch.clips)
    for seed in seeds:
        window = banked.window(moment.video, moment.timestamp, ItemKey(0, index), seed)
        logits = model.roi_head(maps, batch.proposals, window[None].to(batch.clips.device))
        scores = actor_probabilities(logits, multi_label=ava.multi_label).float().cpu().numpy()
        frame = ScoredFrame(
            video=moment.video,
            timestamp=moment.timestamp,
            boxes=shares.numpy(),
            scores=scores,
            truth=moment.boxes,
            labels=labels,
        )
        yield seed, frame


def _mean_precision(frames: list[ScoredFrame], recipe: DetectionRecipe) -> float:
    """Return the mAP of a pass over the test list."""
    ava = recipe.test or recipe.val
    result = evaluate_frames(frames, ava, min_score=recipe.min_score, protocol=recipe.protocol)
    return result["mAP@0.5IOU"]
