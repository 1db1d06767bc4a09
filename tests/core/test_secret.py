"""A secret shows nowhere and compares with anything."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from desk.core.secret import Secret


def test_a_secret_shows_as_stars_wherever_it_is_written() -> None:
    secret = Secret("abcdef0123456789")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"


def test_a_secret_is_never_serialised() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("abcdef0123456789"))
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret("abcdef0123456789"))


@pytest.mark.parametrize("offered", ["", "abc", "äöü", "\ud800", "a" * 100_000])
def test_a_wrong_text_of_any_kind_does_not_match(offered: str) -> None:
    assert not Secret("abcdef0123456789").matches(offered)


def test_the_right_text_matches() -> None:
    assert Secret("abcdef0123456789").matches("abcdef0123456789")
