"""Small exports of annotation tools, which all say the same, and the video they are about.

Four seconds at 10 frames a second, 64x48 pixels. Person 0 walks from the left to the middle and
then sits; person 1 waves, leaves after two seconds and comes back in the last one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from praxiscope.data.synthetic import write_video

FPS, FRAMES, WIDTH, HEIGHT = 10, 40, 64, 48
WALK = ((0, 16), (20, 32))  # frame, left edge of person 0 in pixels; it then stays

# What all exports come to at one key frame a second: time, box, class, person.
LINES = [
    (0, (0.25, 0.25, 0.5, 0.75), "walk", 0),
    (0, (0.625, 0.25, 0.75, 0.5), "wave", 1),
    (1, (0.375, 0.25, 0.625, 0.75), "walk", 0),
    (1, (0.625, 0.25, 0.75, 0.5), "wave", 1),
    (2, (0.5, 0.25, 0.75, 0.75), "sit", 0),
    (3, (0.5, 0.25, 0.75, 0.75), "sit", 0),
    (3, (0.625, 0.25, 0.75, 0.5), "wave", 1),
]


def write_clip(folder: Path, name: str = "one.mp4") -> Path:
    """Write the video and return its folder."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    write_video(folder / name, frames, fps=FPS, preset="ultrafast")
    return folder


def left(frame: int) -> float:
    """Return the left edge of person 0 in pixels."""
    return float(np.interp(frame, *zip(*WALK, strict=True)))


def action(frame: int) -> str:
    return "walk" if frame < 20 else "sit"


def cvat_box(frame: int, x: float, wide: int, high: int, said: str, **values: int) -> str:
    flags = {"outside": 0, "occluded": 0, "keyframe": 1} | values
    shown = " ".join(f'{name}="{value}"' for name, value in flags.items())
    return (
        f'<box frame="{frame}" {shown} xtl="{x:.2f}" ytl="12.00" xbr="{x + wide:.2f}" '
        f'ybr="{12 + high:.2f}" z_order="0"><attribute name="action">{said}</attribute>\n</box>\n'
    )


def cvat_tracks(task_id: str = "") -> str:
    """Return the two tracks as CVAT writes them: every frame, and one that is outside."""
    of_task = f' task_id="{task_id}" subset="default"' if task_id else ""
    walker = "".join(cvat_box(f, left(f), 16, 24, action(f)) for f in range(FRAMES))
    waver = "".join(cvat_box(f, 40, 8, 12, "wave", keyframe=0) for f in range(20))
    waver += cvat_box(20, 40, 8, 12, "wave", outside=1)
    waver += "".join(cvat_box(f, 40, 8, 12, "wave") for f in range(30, FRAMES))
    return "".join(
        f'<track id="{number}" label="person" source="manual"{of_task}>\n{boxes}</track>\n'
        for number, boxes in enumerate((walker, waver))
    )


def cvat(tracks: str | None = None, task: str = "", source: str = "one.mp4") -> str:
    """Return the export of a task."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>5</id>
      <name>first</name>
      <size>{FRAMES}</size>
      <mode>interpolation</mode>
      <start_frame>0</start_frame>
      <stop_frame>{FRAMES - 1}</stop_frame>
      {task}
      <labels><label><name>person</name><attributes><attribute><name>action</name>
      <mutable>True</mutable><values>walk\nsit\nwave</values></attribute></attributes></label>
      </labels>
      <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>
      <source>{source}</source>
    </task>
    <dumped>2024-01-01 00:00:00+00:00</dumped>
  </meta>
{cvat_tracks() if tracks is None else tracks}</annotations>
"""


def label_studio_key(frame: int, x: float, wide: int, high: int, **values: Any) -> dict[str, Any]:
    return {
        "frame": frame + 1,
        "enabled": True,
        "rotation": 0,
        "x": 100 * x / WIDTH,
        "y": 25,
        "width": 100 * wide / WIDTH,
        "height": 100 * high / HEIGHT,
        "time": frame / FPS,
        **values,
    }


def label_studio() -> list[dict[str, Any]]:
    """Return the export of a project: each person a region for each thing that it does."""
    keys = {
        "walk": [
            label_studio_key(0, left(0), 16, 24),
            label_studio_key(19, left(19), 16, 24, enabled=False),
        ],
        "sit": [label_studio_key(20, left(20), 16, 24)],
        "wave": [
            label_studio_key(0, 40, 8, 12),
            label_studio_key(19, 40, 8, 12, enabled=False),
            label_studio_key(30, 40, 8, 12),
        ],
    }
    result: list[dict[str, Any]] = []
    for said, sequence in keys.items():
        value = {"framesCount": FRAMES, "duration": FRAMES / FPS, "sequence": sequence}
        common = {"id": f"region_{said}", "to_name": "video", "origin": "manual"}
        result += [
            {
                **common,
                "value": {**value, "labels": ["person"]},
                "from_name": "box",
                "type": "videorectangle",
            },
            {
                **common,
                "value": {**value, "choices": [said]},
                "from_name": "action",
                "type": "choices",
            },
        ]
    data = {"video": "/data/upload/3/0f1e2d3c-one.mp4"}
    annotation = {"id": 1, "was_cancelled": False, "ground_truth": False, "result": result}
    return [{"id": 7, "data": data, "annotations": [annotation], "predictions": []}]


def via() -> dict[str, Any]:
    """Return a project of VIA 3: boxes every half second, actions in parts of the time line."""
    attributes = {
        "1": {
            "aname": "action",
            "anchor_id": "FILE1_Z1_XY1",
            "type": 4,
            "desc": "",
            "options": {"0": "walk", "1": "sit", "2": "wave"},
            "default_option_id": "",
        },
        "2": {"aname": "who", "anchor_id": "FILE1_Z1_XY1", "type": 1, "desc": "", "options": {}},
    }
    walker = [(frame, left(frame), 16, 24, action(frame), "0") for frame in range(0, FRAMES, 10)]
    waver = [(frame, 40, 8, 12, "wave", "1") for frame in (0, 10, 30)]
    number = {"walk": "0", "sit": "1", "wave": "2"}
    metadata = {
        f"1_{place}": {
            "vid": "1",
            "flg": 0,
            "z": [frame / FPS + 0.04],
            "xy": [2, x, 12, wide, high],
            "av": {"1": number[said], "2": who},
        }
        for place, (frame, x, wide, high, said, who) in enumerate([*walker, *waver])
    }
    return {
        "project": {"pid": "__VIA_PROJECT_ID__", "pname": "one", "vid_list": ["1"]},
        "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}},
        "attribute": attributes,
        "file": {"1": {"fid": "1", "fname": "one.mp4", "type": 4, "loc": 1, "src": ""}},
        "metadata": metadata,
        "view": {"1": {"fid_list": ["1"]}},
    }


def via_2() -> str:
    """Return the csv of VIA 2 for images of the video, of which every tenth is annotated."""
    lines = [
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
        "region_attributes"
    ]
    for project in via()["metadata"].values():
        frame = round((project["z"][0] - 0.04) * FPS)
        _, x, y, wide, high = project["xy"]
        shape = {"name": "rect", "x": x, "y": y, "width": wide, "height": high}
        said = {
            "action": via()["attribute"]["1"]["options"][project["av"]["1"]],
            "who": project["av"]["2"],
        }
        quoted = [json.dumps(one).replace('"', '""') for one in (shape, said)]
        lines.append(f'one/img_{frame + 1:05d}.jpg,0,"{{}}",1,0,"{quoted[0]}","{quoted[1]}"')
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return a csv with columns in an order of its own, boxes in pixels."""
    lines = ["who;activity;clip;when;left;top;w;h"]
    for time, (x1, y1, x2, y2), label, person in LINES:
        x, y, wide, high = x1 * WIDTH, y1 * HEIGHT, (x2 - x1) * WIDTH, (y2 - y1) * HEIGHT
        lines.append(f"{person};{label};one.mp4;{time};{x};{y};{wide};{high}")
    return "\n".join(lines) + "\n"


def write_exports(folder: Path) -> dict[str, tuple[Path, list[str]]]:
    """Write all and return them by format, with the options that each needs."""
    written = {
        "cvat": (folder / "cvat.xml", cvat(), []),
        "label-studio": (folder / "studio.json", json.dumps(label_studio()), []),
        "via": (folder / "via.json", json.dumps(via()), ["--person-from", "who"]),
        "via-2": (folder / "via.csv", via_2(), ["--person-from", "who"]),
        "csv": (
            folder / "table.csv",
            table(),
            [
                *("--size", f"{WIDTH}x{HEIGHT}", "--columns", "person=who", "label=activity"),
                *("video=clip", "timestamp=when", "x=left", "y=top", "width=w", "height=h"),
            ],
        ),
    }
    for file, text, _ in written.values():
        file.write_text(text)
    return {name: (file, options) for name, (file, _, options) in written.items()}
