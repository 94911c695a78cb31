"""One rendered email as the bytes of an `.eml` file: text and HTML, readable by any mail program.

Invariant: the result is pure ASCII with CRLF line ends and lines under 998 octets (an address outside ASCII
excepted: RFC 6532), and no value can add a header or end a part. It is written by hand because the standard
library's generator makes a twentieth as many messages a second; the tests read the result back with the
standard library's parser. It does not sign (DKIM) and does not send.
"""

from __future__ import annotations

import base64
import binascii
import html as html_escaping
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

LINE_OCTETS_MAX = 998  # RFC 5322, 2.1.1
ENCODED_WORD_CHARACTERS_MAX = 75  # RFC 2047, 2
_HEADER_LINE_COLUMNS = 76

_BODY_TAG = re.compile(r"""<body(?:\s(?:[^>"']|"[^"]*"|'[^']*')*)?>""", re.IGNORECASE)
_BREAKS = re.compile(r"[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_OCTETS = bytes(range(32, 127)) + b"\t\n"
_PRINTABLE = re.compile(r"[ -~]*")
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_OWN_HEADERS = frozenset(("from", "to", "cc", "bcc", "subject", "date", "mime-version"))
# What a program shows as preview behind the subject, and nobody sees in the message.
_PREHEADER = (
    '<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;font-size:1px;'
    'color:transparent;mso-hide:all">{}</div>'
)


class UnwritableEmailError(Exception):
    """The message cannot be written as an email; the text says which part, without its value."""


def write_eml(
    *,
    sender: str,
    to: str,
    subject: str,
    preheader: str | None,
    html: str,
    text: str,
    headers: Mapping[str, str],
    date: datetime,
    boundary_seed: str,
) -> bytes:
    """The message as bytes. `sender` is a whole From value; `headers` go out as they are, in their order.

    `boundary_seed` (the message id) makes the boundary; it must have letters, digits and hyphens only.
    """
    lines = [
        _header("From", sender),
        _header("To", to),
        b"Subject: " + encode_text(subject, used_columns=len("Subject: ")),
        _header("Date", format_datetime(date)),
        *(_given_header(name, value) for name, value in headers.items()),
        b"MIME-Version: 1.0",
    ]
    # "=_" occurs neither in quoted-printable nor in base64; a body with the boundary in it is not left plain.
    boundary = f"=_{boundary_seed}".encode("ascii")
    lines.append(b'Content-Type: multipart/alternative;\r\n boundary="' + boundary + b'"')
    return b"".join(
        (
            b"\r\n".join(lines),
            b"\r\n\r\n--" + boundary,
            _part("text/plain", text, boundary),
            b"\r\n--" + boundary,
            _part("text/html", add_preheader(html, preheader), boundary),
            b"\r\n--" + boundary + b"--\r\n",
        )
    )


def add_preheader(html: str, preheader: str | None) -> str:
    """The page with the preheader as the first, invisible thing of its body."""
    if not preheader:
        return html
    hidden = _PREHEADER.format(html_escaping.escape(preheader))
    body = _BODY_TAG.search(html)
    return f"{html[: body.end()]}{hidden}{html[body.end() :]}" if body else hidden + html


def encode_text(value: str, used_columns: int = 0) -> bytes:
    """Free text of a header: itself when short printable ASCII, otherwise RFC 2047 encoded words, folded.

    Line ends and other breaks become one space: a customer's name in a subject must not become a header.
    """
    value = _CONTROL.sub("", _BREAKS.sub(" ", value)).strip(" ")
    fits = used_columns + len(value) <= _HEADER_LINE_COLUMNS
    if fits and "=?" not in value and _PRINTABLE.fullmatch(value):
        return value.encode("ascii")
    octets_max = (ENCODED_WORD_CHARACTERS_MAX - len("=?utf-8?b??=") - used_columns) // 4 * 3
    words: list[bytes] = []
    for chunk in _split_octets(value, octets_max):
        words.append(b"=?utf-8?b?" + base64.b64encode(chunk) + b"?=")
    return b"\r\n ".join(words)


def _split_octets(value: str, octets_max: int) -> list[bytes]:
    """UTF-8 in pieces of at most `octets_max` that never cut a character."""
    octets = value.encode("utf-8", "replace")
    pieces = []
    start = 0
    while start < len(octets):
        end = min(start + octets_max, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[start:end])
        start = end
    return pieces


def _given_header(name: str, value: str) -> bytes:
    if name.lower() in _OWN_HEADERS or name.lower().startswith("content-"):
        raise UnwritableEmailError(f"the message brings the header {name}, which is the sender's to write")
    return _header(name, value)


def _header(name: str, value: str) -> bytes:
    if not _HEADER_NAME.fullmatch(name):
        raise UnwritableEmailError("a header name has characters that header names cannot have")
    if _CONTROL.search(value):
        raise UnwritableEmailError(f"the header {name} contains a line end or another control character")
    line = f"{name}: {value}"
    if len(line) > _HEADER_LINE_COLUMNS:
        line = line.replace(", ", ",\r\n ")  # between the entries of a list, never inside a URL
    octets = line.encode("utf-8", "replace")
    if max(map(len, octets.split(b"\r\n"))) > LINE_OCTETS_MAX:
        raise UnwritableEmailError(f"the header {name} is longer than {LINE_OCTETS_MAX} octets")
    return octets


def _part(content_type: str, body: str, boundary: bytes) -> bytes:
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    octets = body.encode("utf-8", "replace")
    if body.isascii() and _is_plain(octets, boundary):
        encoding, encoded = b"7bit", octets.replace(b"\n", b"\r\n")
    # An octet outside ASCII takes three characters against four for any three: past one in six, base64.
    elif (len(octets) - len(body)) * 6 > len(octets):
        encoding, encoded = b"base64", _base64_lines(octets.replace(b"\n", b"\r\n"))
    else:
        encoding, encoded = b"quoted-printable", binascii.b2a_qp(octets, istext=True).replace(b"\n", b"\r\n")
    return b"".join(
        (
            b"\r\nContent-Type: ",
            content_type.encode("ascii"),
            b"; charset=utf-8\r\nContent-Transfer-Encoding: ",
            encoding,
            b"\r\n\r\n",
            encoded,
        )
    )


def _is_plain(octets: bytes, boundary: bytes) -> bool:
    """Whether an ASCII body may go out as it is: half the time of one that is encoded."""
    if boundary in octets or octets.translate(None, _PLAIN_OCTETS):
        return False
    return max(map(len, octets.split(b"\n"))) <= LINE_OCTETS_MAX


def _base64_lines(octets: bytes) -> bytes:
    whole = binascii.b2a_base64(octets, newline=False)
    return b"\r\n".join([whole[start : start + 76] for start in range(0, len(whole), 76)])
