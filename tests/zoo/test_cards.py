from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxiscope.errors import DataError, RecipeError
from praxiscope.zoo.cards import card, cards, class_names, list_models, read_label_map
from praxiscope.zoo.download import expected_digest


def test_every_card_has_a_checkpoint_with_its_digest_and_a_recipe() -> None:
    assert len(cards()) == 22
    for one in cards():
        assert expected_digest(f"{one.name}.pth") is not None
        assert one.config_path.startswith("configs/recognition/slow")
        assert Path(one.config_path).is_file()
        assert one.top1 is not None and 60 < one.top1 < 81


def test_published_figures_are_numbers() -> None:
    one = card("slowfast_r50_8x8x1_256e_kinetics400_rgb")
    assert (one.top1, one.top5, one.gpu_mem_mib) == (76.94, 92.8, 9062)
    assert one.videos_per_second == "1.3 ((32+8)x10x3 frames)"
    assert one.name == "slowfast_r50_8x8x1_256e_kinetics400_rgb_20200716-73547d2b"
    assert one.resolution == "short-side 320"
    assert one.pretrain is None
    assert card("slowonly_r50_4x16x1_256e_kinetics400_flow").pretrain == "ImageNet"


def test_a_recipe_stands_for_its_best_row_and_a_checkpoint_for_its_own() -> None:
    name = "slowonly_r50_4x16x1_256e_kinetics400_rgb"
    assert (card(name).top1, card(name).row) == (73.02, 4)
    assert card(f"configs/recognition/slowonly/{name}.py") == card(name)
    assert card(Path("configs") / f"{name}.py") == card(name)
    assert card("slowonly_r50_256p_4x16x1_256e_kinetics400_rgb_20200820-bea7701f").row == 1
    assert card(card(name).checkpoint_url) == card(name)


def test_the_flow_row_is_found_under_both_of_its_names() -> None:
    assert card("slowonly_r50_8x8x1_196e_kinetics400_flow").row == 11
    assert card("slowonly_r50_8x8x1_256e_kinetics400_flow").row == 11


def test_a_misspelt_name_guesses_the_right_one() -> None:
    with pytest.raises(RecipeError, match=r"no 'slowfast_r50_8x8x1_256_kinetics400_rgb'. Did you"):
        card("slowfast_r50_8x8x1_256_kinetics400_rgb")


def test_models_are_listed_by_pattern() -> None:
    names = list_models("slowfast*")
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 6
    assert set(list_models()) == {one.config for one in cards()}
    assert list_models("x3d*") == []
    assert {one.config for one in cards("*flow")} == set(list_models("*flow"))


NAMES = ("dancing 2", "massaging person's head", "playing squash or racquetball", "rope (2)", "7")


@pytest.mark.parametrize(
    "line", ["{name} {i}", "{i} {name}", "{i}\t{name}", "{name},{i}", "'{name}' {i}"]
)
@pytest.mark.parametrize("first", [0, 1])
def test_a_label_map_reads_in_both_orders(tmp_path: Path, line: str, first: int) -> None:
    path = tmp_path / "labels.txt"
    lines = [line.format(name=name, i=i) for i, name in enumerate(NAMES, first)]
    path.write_text("\n".join(reversed(lines)) + "\n\n")
    assert read_label_map(path) == NAMES


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9()']{0,5}( [a-z0-9()]{1,4}){0,3}[a-z)]", fullmatch=True))
)
def test_any_names_survive_a_label_map(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    if names:
        path.write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
        assert read_label_map(path) == tuple(names)


@pytest.mark.parametrize(
    "text", ["", "a 0\nb 2\n", "a 0\nb 0\n", "a\nb\n", "<html>\n", "0\n1\n", "a 5\nb 6\n"]
)
def test_a_damaged_label_map_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"labels.txt is no label map"):
        read_label_map(path)


def test_a_label_map_of_bytes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text file"):
        read_label_map(tmp_path / "labels.txt")


def test_class_names_come_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / "kinetics_class2ind.txt").write_text("abseiling 0\nair drumming 1\n")
    one = card("slowonly_r50_4x16x1_256e_kinetics400_rgb")
    assert class_names(one, tmp_path) == ("abseiling", "air drumming")
    assert class_names(card("slowonly_r50_video_8x8x1_256e_kinetics600_rgb"), tmp_path) is None
