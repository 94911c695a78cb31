"""Messages: recipients of one campaign version become the JSON bytes of their rendered messages.

Invariant: one payload or one failure per recipient, in order, whatever the others hold. Works on Arrow record
batches; knows nothing of Spark, Kafka or the decisions that made somebody a recipient.
"""

from pipelines.messages.compiled import Assembled, CompiledCampaign, compile_campaign
from pipelines.messages.failures import Failure
from pipelines.messages.variables import INPUT_COLUMNS

__all__ = ["INPUT_COLUMNS", "Assembled", "CompiledCampaign", "Failure", "compile_campaign"]
