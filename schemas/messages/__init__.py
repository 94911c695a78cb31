"""The records that cross Kafka, as pydantic models; JSON Schemas are generated from these."""

from schemas.messages.base import Record
from schemas.messages.delivery import DeliveryEvent
from schemas.messages.inputs import CustomerEvent, Trigger
from schemas.messages.outputs import (
    EmailHeaders,
    EmailMessage,
    EmailSendBatch,
    Message,
    ProgressMarker,
    PushMessage,
    PushSendBatch,
    SendBatch,
    SmsMessage,
    SmsSendBatch,
)
from schemas.messages.recall import Recall

# Name in a topic's YAML and of the generated file (schemas/generated/<name>.schema.json) → model.
RECORDS: dict[str, type[Record]] = {
    "trigger": Trigger,
    "customer-event": CustomerEvent,
    "delivery-event": DeliveryEvent,
    "email-send-batch": EmailSendBatch,
    "sms-send-batch": SmsSendBatch,
    "push-send-batch": PushSendBatch,
    "progress-marker": ProgressMarker,
    "recall": Recall,
}

__all__ = [
    "RECORDS",
    "CustomerEvent",
    "DeliveryEvent",
    "EmailHeaders",
    "EmailMessage",
    "EmailSendBatch",
    "Message",
    "ProgressMarker",
    "PushMessage",
    "PushSendBatch",
    "Recall",
    "Record",
    "SendBatch",
    "SmsMessage",
    "SmsSendBatch",
    "Trigger",
]
