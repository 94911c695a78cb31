"""Campaigns as files: loading a folder, checking it, and moving it about as one immutable bundle.

Invariant: a `Campaign` that exists has passed every check that needs no Spark, and its digest depends on its
content alone. Does not render, and does not know where bundles are kept.
"""

from pipelines.campaigns.bundle import Bundle, bundle
from pipelines.campaigns.errors import CampaignError, Problem
from pipelines.campaigns.folder import find_campaigns, load_folder
from pipelines.campaigns.locales import resolve_locale, resolve_locales
from pipelines.campaigns.model import Campaign, CampaignSpec

__all__ = [
    "Bundle",
    "Campaign",
    "CampaignError",
    "CampaignSpec",
    "Problem",
    "bundle",
    "find_campaigns",
    "load_folder",
    "resolve_locale",
    "resolve_locales",
]
