"""Typed configuration: `conf.load("local")` gives the frozen `Settings` of an environment, or raises
`ConfError`."""

from conf.errors import ConfError
from conf.house import Decide, HouseCap
from conf.kafka import Kafka
from conf.lake import Lake
from conf.loading import load
from conf.settings import ChannelLimits, Channels, Links, Publish, Settings, SmsLimits, Stream

__all__ = [
    "ChannelLimits",
    "Channels",
    "ConfError",
    "Decide",
    "HouseCap",
    "Kafka",
    "Lake",
    "Links",
    "Publish",
    "Settings",
    "SmsLimits",
    "Stream",
    "load",
]
