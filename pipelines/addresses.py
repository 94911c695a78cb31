"""Which addresses of a customer are present and not well-formed; asked once per snapshot, not per message.

Invariant: judges form only (syntax and numbering plan), never whether somebody is there. Absent is not malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
import pyarrow as pa
from email_validator import EmailNotValidError, validate_email

#: APNs device tokens are 64 hexadecimal digits, FCM registration tokens up to about 180 characters without blanks.
_TOKEN_CHARACTERS = range(8, 4097)
#: Digits alone: phonenumbers also reads blanks, hyphens and extensions, which vendors refuse.
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_DOMAIN = re.compile(r"[^\W_](?:[^\W_]|-)*(?:\.[^\W_](?:[^\W_]|-)*)+")


def is_email(text: str) -> bool:
    """Whether it is an address of RFC 5321 form; nothing is looked up."""
    try:
        validate_email(text, check_deliverability=False, strict=True)
        return True
    except EmailNotValidError:
        return False


def is_phone(text: str) -> bool:
    """Whether it is a possible number in E.164 form. Possible, not valid: ranges reserved for fiction are possible
    and never assigned, and numbering plans change faster than a library."""
    try:
        if _E164.fullmatch(text) is None:
            return False
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def is_push_token(text: str) -> bool:
    """Whether it can be a device token: no blanks, a plausible length."""
    return len(text) in _TOKEN_CHARACTERS and not any(character.isspace() for character in text)


def is_address(text: str) -> bool:
    """Whether it can be an address of some channel, as a snapshot has it."""
    if "@" in text:
        return is_email(text)
    return is_phone(text) if text[:1] in "+0123456789" and len(text) < 30 else is_push_token(text)


def is_domain(text: str) -> bool:
    """Whether it can stand behind the @ of an address: names with a dot between them."""
    return _DOMAIN.fullmatch(text) is not None


#: (channel, column of the snapshot, test).
CHECKS = (("email", "email", is_email), ("sms", "phone", is_phone), ("push", "push_token", is_push_token))


def find_invalid_channels(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For `mapInArrow`: append the column `invalid_channels` (list of channel names, empty when all is well)."""
    for batch in batches:
        columns = [(channel, batch[column].to_pylist(), test) for channel, column, test in CHECKS]
        found = [
            [
                channel
                for channel, values, test in columns
                if (values[row] or "").strip() and not test(values[row])
            ]
            for row in range(batch.num_rows)
        ]
        arrays = [*batch.columns, pa.array(found, pa.list_(pa.string()))]
        yield pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, "invalid_channels"])
