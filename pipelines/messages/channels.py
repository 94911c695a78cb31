"""From rendered parts to the JSON of a channel's messages: one composer per channel, in `COMPOSERS`.

A composer gets texts that are rendered but not yet tidied, and gives the members of the message object
together with the rows that cannot be sent. It looks at content only: addresses were checked when the audience
was built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.campaigns import Campaign
from pipelines.links import LinkSettings, signed_urls
from pipelines.messages.sms import count_segments, simplify
from pipelines.messages.wire import Piece, bytes_of, constant, escape, has_controls, join, obj, quoted

#: What APNs accepts as one notification, and FCM as one message.
PUSH_PAYLOAD_BYTES_MAX = 4_096
_BREAKS = r"[\s\x00-\x1f\x7f\x{85}\x{a0}\x{2028}\x{2029}]+"
#: One of these, or a control, is in every text that `_BREAKS` changes.
_BREAKING = (b"  ", b"\x7f", *(character.encode() for character in "\x85\xa0\u2028\u2029"))


@dataclass(frozen=True)
class Group:
    """Recipients that share templates: ids, addresses, and each rendered part (None: no template)."""

    campaign: Campaign
    links: LinkSettings
    channel: str
    message_ids: pa.Array
    customer_ids: pa.Array
    addresses: pa.Array
    parts: Mapping[str, pa.Array | None]

    @property
    def rows(self) -> int:
        return len(self.message_ids)


@dataclass
class Composed:
    """Members of the message object, and rows that failed: (mask, reason, detail)."""

    members: dict[str, Sequence[Piece]]
    faults: list[tuple[pa.BooleanArray, str, str]] = field(default_factory=list)


def compose_email(group: Group) -> Composed:
    """`subject` and `preheader` become one line each; headers per RFC 8058 but for transactional mail."""
    subject = _one_line(group.parts["subject"])
    preheader = group.parts["preheader"]
    members: dict[str, Sequence[Piece]] = {
        "to": quoted(escape(group.addresses)),
        "subject": quoted(escape(subject)),
        "preheader": quoted(None if preheader is None else escape(_one_line(preheader))),
        "html": quoted(group.parts["html"]),
        "text": quoted(group.parts["text"]),
        "headers": obj(_email_headers(group)),
    }
    empty = [
        (_is_empty(subject), "subject"),
        (_is_empty(group.parts["html"]), "html"),
        (_is_empty(group.parts["text"]), "text"),
    ]
    return Composed(members, [_empty_fault(mask, part) for mask, part in empty])


def _email_headers(group: Group) -> dict[str, Sequence[Piece]]:
    headers: dict[str, Sequence[Piece]] = {}
    campaign, links = group.campaign, group.links
    if campaign.topic != "transactional":
        ids = (group.message_ids.to_pylist(), group.customer_ids.to_pylist())
        urls = signed_urls(links.unsubscribe_base_url, links.signing_key, *ids, group.channel, campaign.topic)
        headers["List-Unsubscribe"] = ['"<', escape(pa.array(urls, pa.large_string())), '>"']
        headers["List-Unsubscribe-Post"] = quoted("List-Unsubscribe=One-Click")
    headers["Message-ID"] = ['"<', escape(group.message_ids), f'@{constant(links.message_id_domain)}>"']
    return headers


def compose_sms(group: Group) -> Composed:
    """The text without blanks at its ends, with its encoding and segments."""
    text = pc.utf8_trim_whitespace(group.parts["text"])
    if group.campaign.sms.simplify:
        text = simplify(text)
    count = count_segments(text)
    most = group.campaign.sms.max_segments
    members: dict[str, Sequence[Piece]] = {
        "to": quoted(escape(group.addresses)),
        "text": quoted(escape(text)),
        "encoding": quoted(count.encoding.cast(pa.large_string())),
        "segments": [count.segments.cast(pa.large_string())],
    }
    too_long = (pc.greater(count.segments, most), "message_too_large", f"more than {most} SMS segments")
    return Composed(members, [_empty_fault(_is_empty(text), "text"), too_long])


def compose_push(group: Group) -> Composed:
    """Title and body as written; `data` holds the campaign's pairs; size as APNs counts it."""
    title, body = (escape(pc.utf8_trim_whitespace(group.parts[part])) for part in ("title", "body"))
    raw_link = group.parts["deep_link"]
    link = None if raw_link is None else escape(pc.utf8_trim_whitespace(raw_link))
    data: dict[str, Sequence[Piece]] = {
        "campaign_id": quoted(constant(group.campaign.campaign_id)),
        "message_id": quoted(escape(group.message_ids)),
    }
    for key in sorted(group.campaign.push.data):
        data[key] = quoted(escape(group.parts[f"data.{key}"]))
    members: dict[str, Sequence[Piece]] = {
        "token": quoted(escape(group.addresses)),
        "title": quoted(title),
        "body": quoted(body),
        "deep_link": quoted(link),
        "data": obj(data),
    }
    alert = obj({"alert": obj({"title": quoted(title), "body": quoted(body)})})
    payload = join(obj({"aps": alert, "deep_link": quoted(link), **data}), group.rows)
    too_large = pc.greater(pc.binary_length(payload), PUSH_PAYLOAD_BYTES_MAX)
    detail = f"the push payload is larger than {PUSH_PAYLOAD_BYTES_MAX:,} bytes"
    faults = [_empty_fault(_is_empty(title), "title"), _empty_fault(_is_empty(body), "body")]
    return Composed(members, [*faults, (too_large, "message_too_large", detail)])


COMPOSERS: Mapping[str, Callable[[Group], Composed]] = {
    "email": compose_email,
    "sms": compose_sms,
    "push": compose_push,
}


def _one_line(texts: pa.Array) -> pa.Array:
    """Blanks and line breaks become one space: a subject cannot start another header."""
    held = bytes_of(texts)
    if has_controls(held) or any(found in held for found in _BREAKING):
        texts = pc.replace_substring_regex(texts, _BREAKS, " ")
    return pc.utf8_trim_whitespace(texts)


def _is_empty(texts: pa.Array) -> pa.BooleanArray:
    return pc.equal(pc.binary_length(texts), 0)


def _empty_fault(mask: pa.BooleanArray, part: str) -> tuple[pa.BooleanArray, str, str]:
    return mask, "render_error", f"the part '{part}' is empty"
