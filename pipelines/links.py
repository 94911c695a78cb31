"""Signed links of one message: made while it is rendered, verified when somebody follows them.

A signature binds message, customer, channel and topic to one purpose, so a link cannot be forged or bent to another
customer, and the same message always gets the same link. Does not expire links: an unsubscribe must work for years.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

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
    return _signature(key, purpose, claim.message_id, claim.customer_id, claim.channel, claim.topic)


def verify(key: bytes, claim: LinkClaim, signature: str, purpose: str = UNSUBSCRIBE) -> bool:
    """Whether the signature was made for exactly this claim and purpose; constant time."""
    return hmac.compare_digest(sign(key, claim, purpose).encode(), signature.encode("utf-8", "replace"))


def signed_url(base_url: str, key: bytes, claim: LinkClaim, purpose: str = UNSUBSCRIBE) -> str:
    """The link for one message."""
    return next(
        iter(
            signed_urls(
                base_url, key, [(claim.message_id, claim.customer_id)], claim.channel, claim.topic, purpose
            )
        )
    )


def signed_urls(
    base_url: str,
    key: bytes,
    rows: Iterable[tuple[str, str]],
    channel: str,
    topic: str,
    purpose: str = UNSUBSCRIBE,
) -> list[str]:
    """The links of many messages of one channel and topic, given as (message_id, customer_id)."""
    separator = "&" if "?" in base_url else "?"
    tail = f"&ch={quote(channel, safe='')}&t={quote(topic, safe='')}&s="
    return [
        f"{base_url}{separator}m={_escape(message)}&c={_escape(customer)}{tail}"
        + _signature(key, purpose, message, customer, channel, topic)
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


def _signature(key: bytes, *fields: str) -> str:
    # Each field is preceded by its length: no two lists of fields give the same bytes.
    text = "".join(f"{len(one)}:{one}" for one in fields)
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest)[:43].decode("ascii")


def _escape(text: str) -> str:
    # quote() costs more than the HMAC: ids that are plain already skip it.
    is_plain = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return text if is_plain else quote(text, safe="")
