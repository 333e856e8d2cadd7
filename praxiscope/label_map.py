"""Class names by number, as AVA's label maps have them.

Source: https://research.google.com/ava/download.html
"""

import re
from pathlib import Path

from praxiscope.errors import DataError, did_you_mean

_TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)|(?P<open>\w+)\s*(?::\s*)?\{|(?P<close>\})
    |(?P<key>\w+)\s*:\s*(?:"(?P<text>[^"\n]*)"|'(?P<text2>[^'\n]*)'|(?P<word>[\w.+-]+))""",
    re.VERBOSE,
)


def read_label_map(path: str | Path) -> dict[int, str]:
    """Return class names by label, ascending, as a pbtxt file numbers them; gaps remain gaps.

    Both published forms are read: ``item { name: "sit" id: 11 }`` and ``label { name: "sit"
    label_id: 11 label_type: PERSON_MOVEMENT }``.

    Raises:
        DataError: The file is missing, empty or not of this form; an entry has no name or number,
            or a number or a name stands there twice.
    """
    names: dict[int, str] = {}
    entry: dict[str, str] | None = None
    text = _read(Path(path))
    place = 0

    def wrong(what: str) -> DataError:
        return DataError(f"{path}:{text.count(chr(10), 0, place) + 1}: {what}.")

    while place < len(text):
        token = _TOKEN.match(text, place)
        misplaced = token and (token["close"] if entry is None else token["open"])
        if token is None or misplaced:
            raise wrong("expected 'item { name: \"sit\" id: 11 }'")
        if token["open"]:
            entry = {}
        elif token["key"]:
            if entry is None:
                raise wrong(f"'{token['key']}' stands outside an 'item {{ ... }}'")
            entry[token["key"]] = token["text"] or token["text2"] or token["word"] or ""
        elif token["close"] and entry is not None:
            label = entry.get("id", entry.get("label_id", ""))
            if not re.fullmatch(r"[0-9]{1,9}", label) or not entry.get("name"):
                raise wrong("the entry that ends here needs a name and a whole id")
            if int(label) in names:
                raise wrong(f"id {label} is already '{names[int(label)]}'")
            if entry["name"] in names.values():
                raise wrong(f"'{entry['name']:.40}' stands there a second time")
            names[int(label)] = entry["name"]
            entry = None
        place = token.end()
    if entry is not None or not names:
        what = "its last entry is not closed" if entry is not None else "it has no entries"
        raise DataError(f"{path}: {what}. Expected 'item {{ name: \"sit\" id: 11 }}'.")
    return dict(sorted(names.items()))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings)
        raise DataError(f"There is no label map {path}.{hint}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is no text in UTF-8: {error}.") from error
