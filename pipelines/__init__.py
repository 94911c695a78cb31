"""The domain of Carillon: records, decisions, messages and send batches as data; reads and writes live in `edges`."""
