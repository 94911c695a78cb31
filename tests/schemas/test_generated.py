"""The generated files: up to date, deterministic, and sound for those who read only them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas import generate
from schemas.topics import load_topics

FILES = generate.generated_files()


@pytest.mark.parametrize("path", sorted(FILES))
def test_file_is_up_to_date(path: str) -> None:
    on_disk = generate.ROOT / path
    assert on_disk.exists(), "run: python -m schemas.generate"
    assert on_disk.read_text(encoding="utf-8") == FILES[path], "stale; run: python -m schemas.generate"


def test_nothing_else_lies_in_the_folder() -> None:
    folder = generate.ROOT / "schemas" / "generated"
    found = {path.relative_to(generate.ROOT).as_posix() for path in folder.iterdir()}
    assert found == {path for path in FILES if path.startswith("schemas/generated/")}


def test_generation_is_deterministic() -> None:
    assert generate.generated_files() == FILES


def test_main_writes_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FILES)
    (tmp_path / "docs" / "reasons.md").write_text("stale")
    assert generate.main() == 0
    assert capsys.readouterr().out == "wrote docs/reasons.md\n"


def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILES["schemas/generated/asyncapi.yaml"])
    return document


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [
            ref for key, value in node.items() for ref in ([value] if key == "$ref" else references(value))
        ]
    return [ref for item in node for ref in references(item)] if isinstance(node, list) else []


def resolve(document: Any, reference: str) -> Any:
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part]
    return document


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    document = asyncapi()
    found = references(document)
    assert len(found) > 20
    for reference in found:
        assert resolve(document, reference) is not None


def test_the_asyncapi_document_tells_every_topic() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert [row["address"] for row in document["channels"].values()] == [row.name for row in load_topics()]
    actions = {operation["action"] for operation in document["operations"].values()}
    assert actions == {"receive", "send"}
    assert len(document["operations"]) == len(load_topics())


def test_examples_inside_the_asyncapi_document_validate_there() -> None:
    document = asyncapi()
    for message in document["components"]["messages"].values():
        for example in message.get("examples", []):
            inlined = {**message["payload"], "components": document["components"]}
            Draft202012Validator(inlined).validate(example["payload"])
            required = message.get("headers", {}).get("required", [])
            assert set(required) <= set(example.get("headers", {}))
