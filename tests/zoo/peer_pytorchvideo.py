"""Run by a test in a process of its own: networks of PyTorchVideo's own code, saved, with logits.

python peer_pytorchvideo.py FOLDER writes FOLDER/{slowfast,slow}.pyth and FOLDER/logits.pth.
"""

import sys
import types
from importlib.util import find_spec
from typing import Any

import torch

if find_spec("torchvision") is None:  # imported for detection's RoIAlign, which is not used here
    stand_in: Any = types.ModuleType("torchvision.ops")
    stand_in.RoIAlign = None
    sys.modules |= {"torchvision": types.ModuleType("torchvision"), "torchvision.ops": stand_in}

from pytorchvideo.models.resnet import create_resnet
from pytorchvideo.models.slowfast import create_slowfast

if __name__ == "__main__":
    folder = sys.argv[1]
    torch.manual_seed(0)
    clip = torch.randn(1, 3, 32, 96, 64)  # a map of 3 x 2 cells
    slow_frames = torch.linspace(0, 31, 8).long()
    last_stage = ((3, 1, 1), (1, 1, 1), (1, 1, 1))
    networks = {
        # Temporal kernels that end within a stage, as in the hub's slowfast_16x8_r101_50_50.
        "slowfast": (
            create_slowfast(
                stage_conv_a_kernel_sizes=(
                    ((1, 1, 1), (1, 1, 1), (3, 1, 1), last_stage),
                    ((3, 1, 1), (3, 1, 1), (3, 1, 1), last_stage),
                ),
                head_pool_kernel_sizes=((8, 2, 2), (32, 2, 2)),
            ),
            [clip[:, :, slow_frames], clip],
        ),
        "slow": (
            create_resnet(stem_conv_kernel_size=(1, 7, 7), head_pool_kernel_size=(8, 2, 2)),
            clip[:, :, :8],
        ),
    }
    logits = {"clip": clip}
    for name, (network, clips) in networks.items():
        for module in network.modules():  # so that no branch is 0 and no norm is the identity
            if isinstance(module, torch.nn.BatchNorm3d):
                torch.nn.init.uniform_(module.weight, 0.3, 0.6)
                torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        torch.save({"model_state": network.state_dict()}, f"{folder}/{name}.pyth")
        with torch.inference_mode():
            logits[name] = network.eval()(clips)
    torch.save(logits, f"{folder}/logits.pth")
