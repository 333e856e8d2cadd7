"""Run by a test in a process of its own: a runner of mmengine trains two steps and saves.

python peer_mmengine.py FOLDER writes FOLDER/epoch_1.pth.
"""

import sys
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import Dataset

from praxiscope.models.slowonly import SlowOnly


class Network(BaseModel):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        ours = SlowOnly(depth=14, width=8, num_classes=2).build()
        self.backbone, self.cls_head = ours.backbone, ours.cls_head

    def forward(self, clips: Tensor, labels: Tensor, mode: str) -> Any:
        logits = self.cls_head(self.backbone(clips))
        return {"loss_cls": torch.nn.functional.cross_entropy(logits, labels)}


class Clips(Dataset[Any]):
    metainfo = {"classes": ("clap", "wave")}  # noqa: RUF012

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        generator = torch.Generator().manual_seed(index)
        return torch.randn(3, 4, 32, 32, generator=generator), index % 2


if __name__ == "__main__":
    pipeline = [{"type": "SampleFrames", "clip_len": 4, "frame_interval": 16, "num_clips": 1}]
    runner = Runner(
        model=Network(),
        work_dir=sys.argv[1],
        train_dataloader={
            "dataset": Clips(),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "batch_size": 2,
            "collate_fn": {"type": "default_collate"},
        },
        train_cfg={"by_epoch": True, "max_epochs": 1},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
        default_hooks={"logger": {"type": "LoggerHook", "interval": 1}},
        cfg={"train_pipeline": pipeline, "work_dir": sys.argv[1]},
        experiment_name="peer",
    )
    runner.train()
    state = {name: t for name, t in runner.model.state_dict().items() if "data_pre" not in name}
    torch.save(state, f"{sys.argv[1]}/state.pth")
