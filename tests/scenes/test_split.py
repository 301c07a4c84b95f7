"""Held-out families: a list, or a share by hash that does not depend on the other families."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from training_code.scenes.collection import Scene
from training_code.scenes.families import read_list
from training_code.scenes.split import (
    SHARE,
    held_out,
    held_out_by_list,
    place,
    scenes_of_folders,
    sides,
)

COMMITTED = Path(__file__).resolve().parents[2] / "training_code" / "validation_families.txt"

names = st.sets(st.text(min_size=1, max_size=12), min_size=2, max_size=40)
shares = st.floats(0.001, 0.999)


def scene(name: str, family: str) -> Scene:
    return Scene(name, family, np.zeros((4, 4, 3), np.float16))


@given(names, shares)
def test_some_are_held_out_and_some_are_not(families, share):
    chosen = held_out(families, share)
    assert 0 < len(chosen) < len(families)
    assert chosen < families
    assert max(map(place, chosen)) <= min(map(place, families - chosen))


@given(names, names, shares)
def test_adding_families_moves_no_other(families, more, share):
    """If there are families on both sides of the share, so that it alone decides."""
    if {place(family) < share for family in families} == {True, False}:
        assert held_out(families | more, share) & families == held_out(families, share)


def test_the_share_holds_for_many_names():
    families = {f"place {number}" for number in range(4000)}
    for share in (0.05, 0.156, 0.5):
        spread = np.sqrt(share * (1 - share) / 4000)
        assert abs(len(held_out(families, share)) / 4000 - share) < 4 * spread


def test_place_matches_the_published_hash():
    """SHA-256 of "abc", FIPS 180-4: ba7816bf 8f01cfea ..."""
    assert place("abc") == 0xBA7816BF8F01CFEA / 2**64
    assert 0.0 <= place(os.fsdecode(b"caf\xe9")) < 1.0


def test_the_rule_gives_the_committed_list():
    """The rule splits the committed families from the three that follow them by place. Families
    added by hand, below them in the file, are not part of this.
    """
    by_rule, added = COMMITTED.read_text().split("# Added later")
    committed = frozenset(name for name in by_rule.splitlines() if not name.startswith("#"))
    assert read_list(COMMITTED) == committed | frozenset(added.splitlines()[2:])
    next_ones = {"st_fagans_interior", "potsdamer_platz", "spruit_sunrise"}
    assert min(map(place, next_ones)) == place("st_fagans_interior")
    assert held_out(committed | next_ones) == committed
    assert held_out(committed | next_ones, SHARE - 0.01) < committed


def test_a_share_of_0_holds_nothing_out():
    assert held_out({"a"}, 0.0) == frozenset()
    scenes = [scene("a.exr", "a")]
    assert sides(scenes, share=0.0) == (scenes, [])


@pytest.mark.parametrize("share", [-0.1, 1.0, 3.0])
def test_shares_outside_their_range_are_refused(share):
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        held_out({"a", "b"}, share)


def test_the_error_for_a_single_family_names_the_remedy():
    with pytest.raises(ValueError, match=r"^[^\n]*night[^\n]*MANIFEST\.csv[^\n]*$"):
        sides([scene("a.exr", "night"), scene("b.exr", "night")])


def test_a_list_overrides_the_rule(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("b\nnot here\n")
    scenes = [scene(f"{number}.exr", family) for number, family in enumerate("abcb")]
    training, held_out = sides(scenes, [path], share=0.9)
    assert [s.name for s in training] == ["0.exr", "2.exr"]
    assert [s.name for s in held_out] == ["1.exr", "3.exr"]


@pytest.mark.parametrize(
    ("text", "what"), [("x\ny\n", "none"), ("# a\n", "none"), ("a\nb\n", "all")]
)
def test_a_list_that_splits_nothing_is_an_error(tmp_path, text, what):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"list\.txt: [^\n]*{what}[^\n]*$"):
        held_out_by_list([scene("1.exr", "a"), scene("2.exr", "b")], path)


def test_scenes_of_folders_are_those_named_or_the_others(scene_folder, tmp_path):
    for name, families in (("one.txt", "one\n"), ("others.txt", "three # a place\nnowhere\n")):
        (tmp_path / name).write_text(families)
    lists = [str(tmp_path / "one.txt"), tmp_path / "others.txt"]

    def names(*paths, without=False):
        folders = [scene_folder, str(scene_folder)]
        found = scenes_of_folders(folders, paths, without=without)
        return [scene.name for scene in found]

    # The panoramas of family one are too small to be used.
    assert names() == ["c.exr", "d.exr"] * 2
    assert names(*lists) == ["d.exr"] * 2
    assert names(*lists, without=True) == ["c.exr"] * 2
