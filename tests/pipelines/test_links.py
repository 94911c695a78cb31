"""Signed links: nobody without the key can make or change one."""

from __future__ import annotations

import base64
import dataclasses
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.links import (
    PREFERENCES,
    LinkClaim,
    LinkSettings,
    read_url,
    sign,
    signed_url,
    signed_urls,
    verify,
)

KEY = b"k" * 32
CLAIM = LinkClaim("0b0c", "c-1", "email", "marketing")
BASE = "https://example.org/unsubscribe"


def test_a_link_reads_back_and_is_the_same_each_time() -> None:
    url = signed_url(BASE, KEY, CLAIM)
    assert url == signed_url(BASE, KEY, CLAIM)
    assert url.startswith(BASE + "?m=0b0c&c=c-1&ch=email&t=marketing&s=")
    assert read_url(KEY, url) == CLAIM


@pytest.mark.parametrize("field", ["message_id", "customer_id", "channel", "topic"])
def test_a_changed_field_breaks_the_signature(field: str) -> None:
    signature = sign(KEY, CLAIM)
    assert verify(KEY, CLAIM, signature)
    assert not verify(KEY, dataclasses.replace(CLAIM, **{field: "other"}), signature)


def test_another_key_or_purpose_is_refused() -> None:
    url = signed_url(BASE, KEY, CLAIM)
    assert read_url(b"x" * 32, url) is None
    assert read_url(KEY, url, PREFERENCES) is None


def test_fields_do_not_run_into_each_other() -> None:
    assert sign(KEY, LinkClaim("a", "bc", "x", "y")) != sign(KEY, LinkClaim("ab", "c", "x", "y"))


@pytest.mark.parametrize(
    "url", ["", "https://example.org/", BASE + "?m=a&c=b&ch=email&t=marketing", "http://["]
)
def test_a_link_that_is_none_is_refused(url: str) -> None:
    assert read_url(KEY, url) is None


def test_a_doubled_parameter_is_refused() -> None:
    assert read_url(KEY, signed_url(BASE, KEY, CLAIM) + "&c=c-2") is None


def test_the_key_does_not_show() -> None:
    assert "kkkk" not in repr(LinkSettings(BASE, BASE, BASE, KEY))


def test_a_base_with_a_query_is_continued() -> None:
    assert read_url(KEY, signed_url(BASE + "?brand=1", KEY, CLAIM)) == CLAIM


@settings(deadline=None)  # the machine is shared
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), max_size=5
    )
)
def test_any_ids_survive_the_url(rows: list[tuple[str, str]]) -> None:
    messages, customers = [message for message, _ in rows], [customer for _, customer in rows]
    urls = signed_urls(BASE, KEY, messages, customers, "sms", "reminders")
    for message, customer, url in zip(messages, customers, urls, strict=True):
        assert url.isascii()
        assert not set(url) & set(' \r\n"<>')
        assert read_url(KEY, url) == LinkClaim(message, customer, "sms", "reminders")


@given(st.binary(max_size=200), st.text(), st.text())
def test_a_signature_is_the_hmac_of_the_claim(key: bytes, message: str, customer: str) -> None:
    claim = LinkClaim(message, customer, "sms", "reminders")
    fields = ("unsubscribe", message, customer, "sms", "reminders")
    text = "".join(f"{len(field)}:{field}" for field in fields).encode("utf-8", "surrogatepass")
    digest = hmac.digest(key, text, "sha256")
    assert sign(key, claim) == base64.urlsafe_b64encode(digest).decode().rstrip("=")
