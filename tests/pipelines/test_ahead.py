"""The next item is made while the present one is used; otherwise nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipelines.ahead import ahead


def test_items_come_in_their_order_each_once() -> None:
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []


def test_none_is_an_item() -> None:
    assert list(ahead(iter([None, 1, None]))) == [None, 1, None]


def test_the_next_is_made_while_the_present_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def make() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(make()):
        if number < 2:
            assert made[number + 1].wait(10.0)


def test_no_more_than_one_waits() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    items = ahead(make())
    next(items)
    items.close()  # type: ignore[attr-defined] # it is a generator

    assert made in ([0], [0, 1])


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise KeyError("the second")

    items = ahead(make())
    assert next(items) == 1
    with pytest.raises(KeyError, match="the second"):
        next(items)


def test_nothing_is_made_after_the_caller_has_given_up() -> None:
    items = ahead(iter(range(10)))
    next(items)
    items.close()  # type: ignore[attr-defined] # it is a generator

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
