"""Emails written by hand: what the standard library's parser reads back is what went in, whatever went in."""

from __future__ import annotations

import email
import email.policy
import mailbox
from datetime import datetime, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.people import HARD_FIRST_NAMES, HARD_LAST_NAMES
from senders.eml import UnwritableEmailError, add_preheader, encode_text, write_eml

ID = "0f8fad5b-d9cb-569f-a165-70867728950e"
HTML = "<!doctype html><html><body class='a > b'><p>Hi</p></body></html>"
HEADERS = {
    "Message-ID": f"<{ID}@example.org>",
    "List-Unsubscribe": f"<mailto:leave@example.org>, <https://example.org/u?t={'x' * 150}>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def write(**changes: object) -> bytes:
    arguments: dict[str, object] = {
        "sender": "Carillon demo <news@example.org>",
        "to": "ava.1@example.org",
        "subject": "Your cart",
        "preheader": None,
        "html": HTML,
        "text": "Hi\n",
        "headers": HEADERS,
        "date": datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc),
        "boundary_seed": ID,
    }
    return write_eml(**(arguments | changes))  # type: ignore[arg-type]  # the arguments are spread by name


def read(octets: bytes) -> EmailMessage:
    """The strict reader: any defect raises."""
    return email.message_from_bytes(octets, policy=email.policy.default.clone(raise_on_defect=True))


def body(octets: bytes, kind: str) -> str:
    part = read(octets).get_body((kind,))
    assert part is not None
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")


def as_sent(text: str) -> str:
    """What survives in a mail: line ends are one thing, and half a surrogate pair is no character."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def test_a_mail_program_sees_headers_text_and_page() -> None:
    octets = write(subject="Zoé, 3 Artikel — 「カート」 🦄", html=HTML.replace("Hi", "Grüß Gott"))
    message = read(octets)
    assert message["Subject"] == "Zoé, 3 Artikel — 「カート」 🦄"
    assert message["From"].addresses[0].addr_spec == "news@example.org"
    assert message["To"].addresses[0].addr_spec == "ava.1@example.org"
    assert message["Date"].datetime == datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
    assert {name: message[name] for name in HEADERS} == HEADERS
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert body(octets, "plain") == "Hi\n"
    assert body(octets, "html") == HTML.replace("Hi", "Grüß Gott")


def test_a_second_reader_sees_the_same(tmp_path: Path) -> None:
    octets = write(subject="Käthe’s cart", text="Straße\n")
    box = mailbox.Maildir(tmp_path / "box")
    stored = box[box.add(octets)]
    assert str(make_header(decode_header(stored["Subject"]))) == "Käthe’s cart"
    part = stored.get_payload(0)
    assert isinstance(part, email.message.Message)
    assert part.get_payload(decode=True) == "Straße\n".encode()


@settings(deadline=None, max_examples=300)
@given(text=st.text(max_size=400), html=st.text(max_size=400))
def test_any_body_comes_back(text: str, html: str) -> None:
    octets = write(text=text, html=html)
    assert body(octets, "plain") == as_sent(text)
    assert body(octets, "html") == as_sent(html)
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert b"\n" not in octets.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "line",
    ["x" * 998, "x" * 999, "é" * 999, ".", "From here", "trailing  ", "a=b", "--" + f"=_{ID}", f"--=_{ID}--"],
)
def test_lines_that_break_mail_come_back(line: str) -> None:
    text = f"before\n{line}\nafter"
    octets = write(text=text)
    assert body(octets, "plain") == text
    assert max(map(len, octets.split(b"\r\n"))) <= 998


@settings(deadline=None, max_examples=300)
@given(subject=st.text(max_size=200))
def test_a_subject_is_one_header_and_one_line(subject: str) -> None:
    octets = write(subject=subject)
    message = read(octets)
    assert message.keys() == ["From", "To", "Subject", "Date", *HEADERS, "MIME-Version", "Content-Type"]
    assert max(map(len, octets.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 200
    letters = [character for character in as_sent(subject) if character.isalnum()]
    assert [character for character in str(message["Subject"]) if character.isalnum()] == letters


@pytest.mark.parametrize("name", HARD_FIRST_NAMES + HARD_LAST_NAMES)
def test_hard_names_stay_in_the_subject(name: str) -> None:
    message = read(write(subject=f"{name}, your cart"))
    assert message["Bcc"] is None
    expected = f"{name}, your cart".replace("\r\n", " ").replace("\t", " ").strip()
    assert str(message["Subject"]) == expected


def test_encoded_words_are_short_and_cut_no_character() -> None:
    words = encode_text("🦄é" * 60, used_columns=9).split(b"\r\n ")
    assert len(words) > 1
    assert max(map(len, words)) <= 75
    for word in words:
        octets, charset = decode_header(word.decode())[0]
        assert charset == "utf-8"
        assert "\ufffd" not in octets.decode("utf-8")


@pytest.mark.parametrize(
    ("html", "expected_start"),
    [
        (HTML, "<!doctype html><html><body class='a > b'><div style="),
        ("<BODY\n bgcolor=red>x</BODY>", "<BODY\n bgcolor=red><div style="),
        ("<p>no body tag</p>", "<div style="),
        ("<bodyguard>x</bodyguard>", "<div style="),
    ],
)
def test_the_preheader_comes_first_in_the_body_escaped(html: str, expected_start: str) -> None:
    page = add_preheader(html, "3 < 4 & more")
    assert page.startswith(expected_start)
    assert ">3 &lt; 4 &amp; more</div>" in page
    assert add_preheader(html, None) == add_preheader(html, "") == html


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"to": "a@example.org\r\nBcc: mallory@example.org"}, "To"),
        ({"headers": {"X-Note": "a\nb"}}, "X-Note"),
        ({"headers": {"X Note": "a"}}, "header name"),
        ({"headers": {"Bcc": "mallory@example.org"}}, "Bcc"),
        ({"headers": {"content-type": "text/plain"}}, "content-type"),
        ({"headers": {"List-Unsubscribe": f"<https://example.org/{'x' * 1000}>"}}, "longer than 998"),
    ],
)
def test_what_would_be_a_forged_or_broken_header_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(UnwritableEmailError, match=named) as refusal:
        write(**changes)
    assert "mallory" not in str(refusal.value)


def test_an_address_outside_ascii_stays_as_it_is() -> None:
    assert "\r\nTo: zoé@example.org\r\n".encode() in write(to="zoé@example.org")
