"""The videos that exports name: where they are, how fast and how large."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from praxiscope.data.class_folders import VIDEO_SUFFIXES
from praxiscope.data.imports.fields import printable, text
from praxiscope.data.imports.tracks import Box, Clip
from praxiscope.data.video import Video
from praxiscope.errors import DataError, did_you_mean

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # what Label Studio writes before an upload's name


class Videos:
    """Finds videos by what exports call them.

    Args:
        root: The folder that they are looked for in. None: they are not opened; what the export
            and the other values say is believed.
        fps: Frames a second of all of them, in the place of what files and exports say.
        size: Width and height in pixels, where neither file nor export says.
        opened: Called after each video that was opened.
    """

    def __init__(
        self,
        root: Path | None,
        *,
        fps: float | None = None,
        size: tuple[float, float] | None = None,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        if root is not None and not root.is_dir():
            raise DataError(f"There is no folder of videos {root}: correct --videos.")
        self.root, self.fps, self.size = root, fps, size
        self.failed: dict[str, str] = {}  # why, by what the export calls a video
        self._opened = opened
        self._known: dict[str, Clip | None] = {}
        self._paths: dict[str, str] = {}

    def clip(
        self,
        called: str,
        where: str,
        *,
        fps: float | None = None,
        size: tuple[float, float] | None = None,
    ) -> Clip | None:
        """Return a video; None if it cannot be used, which :attr:`failed` then explains.

        Args:
            called: Its name, path or address in the export.
            where: The file and the place in it.
            fps: What the export says.
            size: What the export says its boxes are in.

        Raises:
            DataError: Nothing says how many frames a second there are, or two videos have one name.
        """
        if called not in self._known:
            try:
                self._known[called] = self._find(called, where, fps, size)
            finally:
                self._opened()
        return self._known[called]

    def _find(
        self, called: str, where: str, fps: float | None, size: tuple[float, float] | None
    ) -> Clip | None:
        parts = _parts(called)
        if not parts:
            raise DataError(f"{where}: {called!r:.80} names no video.")
        num_frames: int | None = None
        path = parts[-1] if self.root is None else self._path(parts)
        if self.root is not None:
            if path is None:
                near = did_you_mean(parts[-1], [file.name for file in self.root.iterdir()])
                self.failed[called] = f"{where}: {self.root} has no video {parts[-1]}.{near}"
                return None
            try:
                with closing(Video(self.root / path)) as video:
                    num_frames, fps = video.num_frames, video.fps or fps
                    size = size or (video.width, video.height)
            except DataError as error:
                self.failed[called] = str(error)
                return None
        assert path is not None
        fps = self.fps or fps
        if not fps:
            raise DataError(
                f"{where}: nothing says how many frames a second {parts[-1]} has; give --videos or "
                "--fps."
            )
        name = text(_without_suffix(PurePosixPath(path).name))
        of = path if self.root is not None else "/".join(parts)
        if self._paths.setdefault(name, of) != of:
            raise DataError(
                f"{where}: {of} and {self._paths[name]} would both be called '{name}' in the "
                "lists: rename one."
            )
        return Clip(name, path, fps, num_frames, size or self.size)

    def _path(self, parts: list[str]) -> str | None:
        """Return the path below the root of the file that fits best: of most of the folders."""
        assert self.root is not None
        for name in _names(parts[-1]):
            for first in range(len(parts)):
                path = "/".join([*parts[first:-1], name])
                with suppress(OSError):  # no name of a file, as it is too long
                    if (self.root / path).is_file():
                        return path
        return None


def shares(box: Box, clip: Clip, where: str) -> Box:
    """Return a box in pixels as shares of the frame; :class:`DataError` if no size is known."""
    if clip.size is None:
        raise DataError(
            f"{where}: boxes are in pixels, and nothing says how large the frames of {clip.path} "
            "are; give --videos or --size."
        )
    width, height = clip.size
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _parts(called: str) -> list[str]:
    """Return folders and name that a path or an address ends in, without a way upwards."""
    try:
        address = urlsplit(called) if "://" in called or called.startswith("/data/") else None
    except ValueError:
        address = None
    path = called
    if address is not None:
        # Label Studio's local files are /data/local-files/?d=folder/name.mp4.
        path = parse_qs(address.query).get("d", [unquote(address.path)])[0]
    parts = [printable(part).strip() for part in path.replace("\\", "/").split("/")]
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]


def _names(name: str) -> Iterator[str]:
    """Yield the names that a file may have: as uploaded, and with a usual suffix."""
    uploaded = _UPLOADED.fullmatch(name)
    for base in (name, uploaded[1]) if uploaded else (name,):
        yield base
        yield from (base + suffix for suffix in sorted(VIDEO_SUFFIXES))


def _without_suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in VIDEO_SUFFIXES else name
