"""Signed links of one message: made while it is rendered, verified when somebody follows them.

A signature binds message, customer, channel and topic to one purpose, so a link cannot be forged or bent to
another customer, and the same message always gets the same link. Does not expire links: an unsubscribe must
work for years.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

from conf import Links
from pipelines.errors import InputError

_is_plain = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch

UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
CLICK = "click"


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where links lead, and the key that signs them; the key never shows in a repr."""

    unsubscribe_base_url: str
    preferences_base_url: str
    track_base_url: str
    signing_key: bytes = field(repr=False)

    @property
    def message_id_domain(self) -> str:
        """The domain of `Message-ID`: the host whose links the message carries."""
        return urlsplit(self.unsubscribe_base_url).hostname or "localhost"


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a verified link says."""

    message_id: str
    customer_id: str
    channel: str
    topic: str


def sign(key: bytes, claim: LinkClaim, purpose: str = UNSUBSCRIBE) -> str:
    """HMAC-SHA256 of the claim, 43 characters of URL-safe base64."""
    fields = (purpose, claim.message_id, claim.customer_id, claim.channel, claim.topic)
    return _signature(_keyed(key), "".join(map(_framed, fields)))


def verify(key: bytes, claim: LinkClaim, signature: str, purpose: str = UNSUBSCRIBE) -> bool:
    """Whether the signature was made for exactly this claim and purpose; constant time."""
    return hmac.compare_digest(sign(key, claim, purpose).encode(), signature.encode("utf-8", "replace"))


def signed_url(base_url: str, key: bytes, claim: LinkClaim, purpose: str = UNSUBSCRIBE) -> str:
    """The link for one message."""
    rows = [(claim.message_id, claim.customer_id)]
    return signed_urls(base_url, key, rows, claim.channel, claim.topic, purpose)[0]


def signed_urls(
    base_url: str,
    key: bytes,
    rows: Iterable[tuple[str, str]],
    channel: str,
    topic: str,
    purpose: str = UNSUBSCRIBE,
) -> list[str]:
    """The links of many messages of one channel and topic, given as (message_id, customer_id)."""
    head = f"{base_url}{'&' if '?' in base_url else '?'}m="
    tail = f"&ch={_escape(channel)}&t={_escape(topic)}&s="
    # As `sign` frames its fields, with what is the same for all rows framed once.
    before, after = _framed(purpose), _framed(channel) + _framed(topic)
    keyed = _keyed(key)
    return [
        f"{head}{_escape(message)}&c={_escape(customer)}{tail}"
        + _signature(keyed, f"{before}{len(message)}:{message}{len(customer)}:{customer}{after}")
        for message, customer in rows
    ]


def read_url(key: bytes, url: str, purpose: str = UNSUBSCRIBE) -> LinkClaim | None:
    """The claim of a followed link, or None when it was not signed by this key for this purpose."""
    try:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return None
    values = [query.get(name, []) for name in ("m", "c", "ch", "t", "s")]
    if any(len(found) != 1 for found in values):
        return None
    message, customer, channel, topic, signature = (found[0] for found in values)
    claim = LinkClaim(message, customer, channel, topic)
    return claim if verify(key, claim, signature, purpose) else None


def _framed(field: str) -> str:
    # A field is preceded by its length: no two lists of fields give the same text.
    return f"{len(field)}:{field}"


def _keyed(key: bytes) -> hmac.HMAC:
    """What `_signature` starts from: to set up a key costs twice as much as to hash a claim."""
    return hmac.new(key, digestmod="sha256")


def _signature(keyed: hmac.HMAC, text: str) -> str:
    signing = keyed.copy()
    signing.update(text.encode("utf-8", "surrogatepass"))
    return base64.urlsafe_b64encode(signing.digest())[:43].decode("ascii")


def _escape(text: str) -> str:
    # quote() costs more than the HMAC: ids that need no escape skip it.
    return text if _is_plain(text) else quote(text, safe="")


def link_settings(links: Links) -> LinkSettings:
    """The links of messages, with the key that signs them. Raises `InputError` when no key is configured."""
    if links.signing_key is None:
        raise InputError(
            "links.signing_key is not set, and without it anybody could forge an unsubscribe link. Set "
            "CARILLON_LINKS__SIGNING_KEY, or CARILLON_LINKS__SIGNING_KEY_FILE to a file that holds it "
            "(openssl rand -hex 32 makes one)."
        )
    return LinkSettings(
        unsubscribe_base_url=links.unsubscribe_base_url,
        preferences_base_url=links.preferences_base_url,
        track_base_url=links.track_base_url,
        signing_key=links.signing_key.get_secret_value().encode(),
    )


def describe_links(links: LinkSettings) -> dict[str, str]:
    """What a link is made of, as `Links` names it: equal for two settings when they make equal links. In place of the
    key stands a fingerprint, which is no link's signature."""
    return {
        "signing_key": _signature(_keyed(links.signing_key), _framed("fingerprint"))[:16],
        "unsubscribe_base_url": links.unsubscribe_base_url,
        "preferences_base_url": links.preferences_base_url,
        "track_base_url": links.track_base_url,
    }
