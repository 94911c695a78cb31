"""What a template is compiled with besides its source: bounds, links, locale, catalogues.

Invariant: frozen and picklable, so that the same template with the same settings is the same program on
every worker. The signing key never appears in a repr. Holds no clock and no randomness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one message; reaching one fails that row with kind "limit"."""

    output_bytes: int = 1_000_000
    loop_steps: int = 100_000
    repeat_chars: int = 10_000


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Values that the helpers need and that no row carries.

    `catalogues` maps a locale to the text of a gettext `.po` file. `content` holds reference tables as plain
    JSON values by name; no template can change them. `locale` and `time_zone` serve rows that
    name none themselves (`message.locale`, then `customer.locale`; `customer.time_zone`).
    """

    signing_key: bytes = field(default=b"", repr=False)
    track_base_url: str = ""
    unsubscribe_base_url: str = ""
    preferences_base_url: str = ""
    locale: str = "en"
    time_zone: str = "UTC"
    catalogues: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
