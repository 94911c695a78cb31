"""What all configuration models share: frozen, closed, picklable.

Invariant: a key that no model declares is an error, and a secret is a `SecretStr`, whose text form is masked.
Reading files and the environment is `conf.loading`'s business, not the models'.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr


class Section(BaseModel):
    """One section of the settings."""

    # hide_input_in_errors: a message about a wrong secret must not print the secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def section_type(annotation: Any) -> type[Section] | None:
    """The Section class behind a field's annotation, or None for a plain value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def is_secret(annotation: Any) -> bool:
    """True for `SecretStr` and `SecretStr | None`."""
    if get_origin(annotation) in (Union, UnionType):
        return any(is_secret(argument) for argument in get_args(annotation))
    return annotation is SecretStr
