"""Shards of a list: together they are the list, and their sizes differ by at most one."""

import pytest
from hypothesis import given, strategies as st

from hdrcnn.batch.machines import Shard


@given(st.lists(st.integers(), max_size=60), st.integers(1, 40))
def test_shards_cover_all_once_and_differ_by_one_at_most(items, of):
    numbered = list(enumerate(items))
    shares = [Shard(number, of).select(numbered) for number in range(1, of + 1)]
    assert sorted(item for share in shares for item in share) == numbered
    assert sum(map(len, shares)) == len(numbered)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert all(share == sorted(share) for share in shares)


@given(st.integers(1, 999), st.integers(1, 999))
def test_a_shard_is_parsed_if_its_number_is_in_range(number, of):
    if number <= of:
        assert Shard.parse(f"{number}/{of}") == Shard(number, of)
    else:
        with pytest.raises(ValueError, match=f"--shard={number}/{of}"):
            Shard.parse(f"{number}/{of}")


def test_shards_are_counted_from_one():
    assert Shard.parse("3/16").select(range(1, 41)) == range(3, 41, 16)
    assert list(Shard.parse("1/1").select("abc")) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "3", "3/", "/16", "0/16", "17/16", "0/0", "-1/4", "1/4/4",
                                  "1.5/4", "a/b", "\u0663/\u0664", "3/16\n4"])  # fmt: skip
def test_an_invalid_shard_is_reported_in_one_line(text):
    with pytest.raises(ValueError, match="--shard=") as error:
        Shard.parse(text)
    assert str(error.value).replace(text, "").count("\n") == 0
