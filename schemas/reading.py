"""A record as it is before it is written to a topic: what the stream would refuse is refused here.

Invariant: of an input topic, this accepts no value that `pipelines.decode` refuses. It says nothing of what campaigns
declare about `data` and `properties`.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from schemas.inputs import INPUTS, RECORD_BYTES_MAX
from schemas.messages import RECORDS, Record
from schemas.topics import topic


def read_record(topic_name: str, value: bytes) -> Record:
    """The record of a topic that has a contract for its values. Raises pydantic's `ValidationError`; its errors name
    no key and no value but in `input`."""
    model = RECORDS[str(topic(topic_name).value_schema)]
    if topic_name in {row.topic for row in INPUTS} and len(value) > RECORD_BYTES_MAX:
        found = f"{len(value):,} bytes; allowed: {RECORD_BYTES_MAX:,}"
        raise _refusal(model, "record_too_large", found, None)
    record = model.model_validate_json(value)
    # What a parser of a model lets pass: it keeps the last of two equal keys, and NaN where anything may stand.
    try:
        json.loads(
            value, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=str, parse_float=str
        )
    except _RefusedError as refused:
        raise _refusal(model, refused.kind, refused.words, refused.found) from None
    return record


class _RefusedError(Exception):
    def __init__(self, kind: str, words: str, found: str) -> None:
        super().__init__(kind, words, found)
        self.kind, self.words, self.found = kind, words, found


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _RefusedError("key_twice", "Input should not have a key twice in one object", key)
        seen.add(key)


def _refuse_constant(constant: str) -> None:
    raise _RefusedError("not_json_number", "Input should be JSON, which has no NaN and no Infinity", constant)


def _refusal(model: type[Record], kind: str, words: str, found: str | None) -> ValidationError:
    line = InitErrorDetails(type=PydanticCustomError(kind, words), loc=(), input=found)
    return ValidationError.from_exception_data(model.__name__, [line], input_type="json")
