"""One byte form per document."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pipelines.edges.objects import canonical_json

VALUES = st.none() | st.booleans() | st.integers() | st.text()
DOCUMENTS = st.dictionaries(st.text(), VALUES | st.lists(VALUES, max_size=3), max_size=5)


@given(DOCUMENTS)
def test_equal_documents_have_equal_bytes_and_come_back(document: dict[str, object]) -> None:
    turned = dict(reversed(list(document.items())))
    assert canonical_json(document) == canonical_json(turned)
    assert json.loads(canonical_json(document)) == document


def test_the_form() -> None:
    assert canonical_json({"b": [1, {"d": None, "c": "é"}], "a": True}) == (
        '{"a":true,"b":[1,{"c":"é","d":null}]}'.encode()
    )
