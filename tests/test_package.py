"""What holds for the package as a whole: who imports whom, what is installed, what is not."""

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import praxiscope
from praxiscope import cli

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "praxiscope"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Who may import whom: a room imports from the rows above its own, and from itself.
ROWS = [
    {"errors", "types"},
    {"checks", "files", "label_map", "pickles", "progress", "transfer"},
    {"data", "models", "metrics"},
    {"banks"},
    {"recipe"},
    {"presets", "zoo"},
    {"engine"},
    {"apps"},
    {"cli"},
    {"__main__"},
]
ROW = {room: number for number, row in enumerate(ROWS) for room in row}

HEAVY = {"av", "cv2", "lightning", "matplotlib", "pydantic", "scipy", "torch", "torchmetrics"}
DISTRIBUTIONS = {  # where a library is imported by another name than it is installed by
    "cv2": "opencv-contrib-python-headless",
    "PIL": "pillow",
    "mmengine": "mmengine-lite",
    "rich_argparse": "rich-argparse",
}
TOOLS = {"mypy", "pre-commit", "pytest-timeout", "pytest-xdist", "ruff", "setuptools"}
TEXTS = {".cfg", ".csv", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
OTHER_TEXTS = [".ci/run", ".gitignore", "LICENSE", "Makefile"]


def imported(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports, also within functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def module_id(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def room(dotted: str) -> str | None:
    """Return the first part of a name below praxiscope; None for the package and for others."""
    top, *rest = dotted.split(".")
    return rest[0] if top == "praxiscope" and rest and rest[0] in ROW else None


@pytest.mark.parametrize("file", modules(), ids=module_id)
def test_imports_point_down_only(file: Path) -> None:
    relative = file.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    if own == "__init__":  # the public names, which __getattr__ loads from anywhere
        return
    assert own in ROW, f"{own} has no place among the rooms of the package"
    for name in imported(file):
        other = room(name)
        wrong = other is not None and other != own and ROW[other] >= ROW[own]
        assert not wrong, f"{module_id(file)} imports {name}"


def test_rooms_are_all_there_is() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.name[0] not in "._"}
    assert found - {"py"} <= ROW.keys()


@pytest.mark.parametrize("statement", ["import praxiscope", "import praxiscope.cli"])
def test_the_package_is_light_to_import(statement: str) -> None:
    code = f"{statement}, sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {name.split(".")[0] for name in found.stdout.split()} & HEAVY == set()


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert set(praxiscope.__all__) <= set(dir(praxiscope))
    for name in praxiscope.__all__:
        assert getattr(praxiscope, name).__doc__, name


@pytest.mark.parametrize("file", modules(), ids=module_id)
def test_every_module_says_what_it_is(file: Path) -> None:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert docstring and docstring.split("\n")[0].endswith((".", ":"))


def test_every_folder_of_the_package_is_installed() -> None:
    folders = {path.parent for path in modules()}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == names | {"praxiscope.configs"}


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", requirement)[0] for requirement in requirements}


def libraries(*folders: str) -> set[str]:
    """Return what has to be installed for the Python files below some folders."""
    names = {
        name.split(".")[0]
        for folder in folders
        for file in modules(ROOT / folder)
        for name in imported(file)
    }
    foreign = names - sys.stdlib_module_names - {"praxiscope", "tests"}
    return {DISTRIBUTIONS.get(name, name) for name in foreign}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = distributions(PROJECT["project"]["dependencies"])
    extras = dict(PROJECT["project"]["optional-dependencies"])
    dev = distributions(extras.pop("dev"))
    optional = distributions([name for extra in extras.values() for name in extra])
    assert libraries("praxiscope", "configs", "tools") == declared | optional
    assert libraries("tests") <= declared | dev
    assert dev - libraries("tests") == TOOLS


def test_dependencies_have_lower_bounds_alone() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    for requirement in sum(extras, PROJECT["project"]["dependencies"]):
        assert re.fullmatch(r"[a-z-]+>=[\d.]+", requirement), requirement


def test_a_wheel_holds_the_modules_the_recipes_and_the_cards(tmp_path: Path) -> None:
    source, dist = tmp_path / "source", tmp_path / "dist"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("praxiscope", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(dist)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    expected = {path.relative_to(ROOT) for path in modules()}
    expected |= {Path("praxiscope", path.relative_to(ROOT)) for path in modules(ROOT / "configs")}
    expected |= {Path("praxiscope/py.typed"), Path("praxiscope/zoo/cards.csv")}
    found = {
        path.relative_to(tmp_path / "installed")
        for path in (tmp_path / "installed/praxiscope").rglob("*")
        if path.is_file()
    }
    assert found == expected
    code = "from praxiscope.cli import main; main(['zoo', 'list', 'slowonly_r50_4x16*'])"
    code += "; from praxiscope import load_recipe; load_recipe('slowonly_r50_4x16x1_256e_"
    code += "kinetics400_rgb'); import praxiscope.recipe as r; print(r.configs_folder())"
    listed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "installed",  # the first place where Python looks for modules
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "slowonly_r50_4x16x1_256e_kinetics400_rgb" in listed
    assert listed.strip().endswith(str(tmp_path / "installed/praxiscope/configs"))


def texts() -> Iterator[tuple[str, str]]:
    """Yield the path and the text of what the project consists of."""
    code = ["benchmarks", "configs", "examples", "praxiscope", "tests", "tools"]
    below = [
        path for folder in [*code, "docs", "docs_zh_CN"] for path in (ROOT / folder).rglob("*")
    ]
    files = [path for path in [*ROOT.iterdir(), *below] if path.suffix in TEXTS]
    for path in [*files, *(ROOT / name for name in OTHER_TEXTS)]:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_no_file_names_a_place_of_one_machine_or_a_package_registry() -> None:
    machine = "|".join(["/" + name + "/" for name in ("home", "root", "work", "Users", "mnt")])
    registry = "|".join(
        ["py" + r"pi\.", "python" + "hosted", "anaconda" + r"\.", "conda" + "-forge"]
    )
    forbidden = re.compile(rf"(?<![\w.~-])({machine})|{registry}|--(extra-)?index-url")
    hits = [f"{path}: {match[0]}" for path, text in texts() for match in forbidden.finditer(text)]
    assert hits == []


def test_the_readme_lists_every_file_of_the_package() -> None:
    listed = re.findall(r"^\| `([\w/]+\.py)` \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    found = {path.relative_to(PACKAGE).as_posix() for path in modules()}
    assert sorted(listed) == sorted(path for path in found if not path.endswith("__init__.py"))


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs*/**/*.md"))], ids=module_id
)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^):#\s]*)(#[^)\s]+)?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {target}"
        titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE) if anchor else []
        anchors = {
            "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
        }
        assert not anchor or anchor in anchors, f"{page.name}: {target}{anchor}"


def test_the_anchors_that_published_documents_link_to_are_there() -> None:
    guide = (ROOT / "docs/en/getting_started.md").read_text()
    assert "\n## Training setting\n" in guide
    assert "\n## Test a dataset\n" in guide
    chinese = (ROOT / "docs_zh_CN/getting_started.md").read_text()
    assert "\n## 训练配置\n" in chinese
    assert "\n## 测试某个数据集\n" in chinese
    assert "Kinetics400" in (ROOT / "docs_zh_CN/data_preparation.md").read_text()


@pytest.mark.parametrize(
    ("add_options", "heading"),
    [(cli._train_options, "## Training setting"), (cli._test_options, "## Test a dataset")],
)
def test_the_guide_has_the_flags_of_the_command_line(
    add_options: Callable[[argparse.ArgumentParser], None], heading: str
) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    known = {name for action in shown for name in action.option_strings} - {"-h", "--help"}
    guide = (ROOT / "docs/en/getting_started.md").read_text()
    section = guide.partition(heading)[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `--")]
    assert {flag for row in rows for flag in re.findall(r"--[a-z-]+", row)} == known
