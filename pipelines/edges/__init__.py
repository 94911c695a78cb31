"""Every read and write of the pipelines: Kafka, S3 objects and Delta tables; nothing here decides anything."""
