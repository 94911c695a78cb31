"""One campaign version as one immutable object: canonical JSON bytes, named by their SHA-256.

Equal content gives equal bytes and so an equal digest, whatever the folder's name, times or file order. A
payload that does not parse back to a valid campaign is refused; storing and fetching objects happens
elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from pipelines.campaigns.errors import CampaignError, Problem
from pipelines.campaigns.model import Campaign

FORMAT = 1
#: Mappings whose order is content (columns, cumulative weights): written as pairs, since keys are sorted.
_ORDERED = ("data", "variants")


@dataclass(frozen=True)
class Bundle:
    """The digest of a campaign version and the bytes it is the digest of."""

    digest: str
    payload: bytes


def bundle(campaign: Campaign) -> Bundle:
    """The bundle of a campaign; a pure function of its content."""
    content = campaign.model_dump(mode="json", by_alias=True)
    for key in _ORDERED:
        content[key] = [[name, value] for name, value in content[key].items()]
    document = {"format": FORMAT, "campaign": content}
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    payload = text.encode("utf-8")
    return Bundle(hashlib.sha256(payload).hexdigest(), payload)


def unbundle(payload: bytes) -> Campaign:
    """The campaign of a payload; raises `CampaignError` when the bytes are not a bundle of this format."""
    try:
        document = json.loads(payload)
        version = document["format"]
        content = dict(document["campaign"])
        for key in _ORDERED:
            content[key] = dict(content[key])
    except (ValueError, TypeError, KeyError):
        raise _refused("not a campaign bundle", "JSON with 'format' and 'campaign'") from None
    if version != FORMAT:
        raise _refused(f"bundle format {version!r}", str(FORMAT))
    try:
        return Campaign.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _refused(f"{key}: {first['msg']}", "a campaign as loaded from a folder") from None


def _refused(found: str, allowed: str) -> CampaignError:
    problem = Problem("bundle", "", found, allowed, "Publish the campaign's folder again")
    return CampaignError("(bundle)", [problem])
