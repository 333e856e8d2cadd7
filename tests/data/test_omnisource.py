"""Where the released lists of OmniSource are, and the recipes that use them."""

import json
from pathlib import Path

import pytest
import torch

from praxiscope.data.lists import Record, class_names, read_list
from praxiscope.data.omnisource import (
    ROOT,
    instagram_videos,
    kinetics_raw,
    mini_kinetics,
    web_images,
)
from praxiscope.recipe import load_recipe

K400 = ["slowonly_r50_4x16x1_256e_{}kinetics400_rgb", "slowonly_r101_8x8x1_196e_{}kinetics400_rgb"]
MINI = "slowonly_r50_8x8x1_256e_minikinetics_omnisource_rgb"

# as in the release's description
LAYOUT = {
    "annotations/k200_actions.txt": "\n".join(f"class {i}" for i in range(200)),
    "annotations/kinetics_200/k200_train.txt": "0074cdXclLU.mp4 7\n",
    "annotations/kinetics_200/k200_val.txt": "01fAWEHzudA.mp4 8\n",
    "annotations/webimage_200/tsn_8seg_webimage_200_wodup.txt": (
        "googleimage_200/000/00/000001.jpg 0\ninsimage_200/000/abseil/1J9tKWCNgV_0.jpg 0\n"
    ),
    "annotations/insvideo_200/slowonly_8x8_insvideo_200_wodup.txt": "000/abseil/B00arxogubl.mp4 0",
    "annotations/kinetics_raw_200/slowonly_8x8_kinetics_raw_200.json": json.dumps(
        [
            {
                "video_dir": "pref_/___dTOdxzXY",
                "label": 5,
                "num_clips": 7,
                "positive_clip_inds": [6],
            }
        ]
    ),
}
FILES = {
    "kinetics_200_train/0074cdXclLU.mp4",
    "kinetics_200_val/01fAWEHzudA.mp4",
    "googleimage_200/000/00/000001.jpg",
    "insimage_200/000/abseil/1J9tKWCNgV_0.jpg",
    "insvideo_200/000/abseil/B00arxogubl.mp4",
    "kinetics_raw_200_train/pref_/___dTOdxzXY",
}


def test_the_released_layout_is_found(tmp_path: Path) -> None:
    for name, text in LAYOUT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    train, val = (mini_kinetics(split, root=tmp_path) for split in ("train", "val"))
    lists = (
        train,
        val,
        *(one(root=tmp_path) for one in (web_images, instagram_videos, kinetics_raw)),
    )
    found = {
        (videos.root / record.path).relative_to(tmp_path).as_posix()
        for videos in lists
        for record in read_list(videos)
    }
    assert found == FILES
    assert [videos.kind for videos in lists] == ["video", "video", "image", "video", "parts"]
    assert read_list(lists[-1]) == (Record("pref_/___dTOdxzXY", (5,), parts=(6,)),)
    names = class_names(train)
    assert names is not None and len(names) == 200


@pytest.mark.parametrize("name", K400)
def test_a_network_trained_with_web_data_is_the_one_without(name: str) -> None:
    joint, plain = load_recipe(name.format("omnisource_")), load_recipe(name.format(""))
    assert (joint.model, joint.clip) == (plain.model, plain.clip)
    assert (joint.val, joint.test_views) == (plain.val, plain.test_views)
    assert (joint.train, joint.loader) == (plain.train, plain.loader)
    with torch.device("meta"):
        a, b = joint.model.build().state_dict(), plain.model.build().state_dict()
    assert {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}


@pytest.mark.parametrize("name", [*(name.format("omnisource_") for name in K400), MINI])
def test_each_web_source_has_half_as_many_videos_as_the_main_list(name: str) -> None:
    recipe = load_recipe(name)
    main = recipe.loader.videos_per_device
    assert [source.videos_per_device for source in recipe.auxiliary] == [main // 2] * 3
    assert [source.class_balance for source in recipe.auxiliary] == [0.5, 0.5, None]
    # the published rates per video: 0.1 for 64, and 0.15 for 96
    assert recipe.optim.lr / recipe.optim.batch == pytest.approx(0.1 / 64)
    assert {source.videos.num_classes for source in recipe.auxiliary} == {recipe.model.num_classes}


def test_mini_kinetics_lies_where_the_published_config_has_it() -> None:
    recipe = load_recipe(MINI)
    assert [str(one.annotations) for one in (recipe.train, recipe.val)] == [
        f"{ROOT}/annotations/kinetics_200/k200_{split}.txt" for split in ("train", "val")
    ]
    assert [(str(one.videos.root), str(one.videos.annotations)) for one in recipe.auxiliary] == [
        (str(ROOT), f"{ROOT}/annotations/webimage_200/tsn_8seg_webimage_200_wodup.txt"),
        (
            f"{ROOT}/insvideo_200",
            f"{ROOT}/annotations/insvideo_200/slowonly_8x8_insvideo_200_wodup.txt",
        ),
        (
            f"{ROOT}/kinetics_raw_200_train",
            f"{ROOT}/annotations/kinetics_raw_200/slowonly_8x8_kinetics_raw_200.json",
        ),
    ]
