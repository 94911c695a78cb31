"""The one place that names the jars Carillon adds to Spark, and those of the embedded Kafka broker.

Invariant: plain literals, no imports, so that the shell, the tests and the image build read the same list.
It does not resolve or download anything: `embedded.jars` does.
"""

SCALA = "2.13"

# Maven coordinates, group:artifact:version. The three awssdk modules replace the 600 MB `bundle` hadoop-aws
# asks for: they are all S3A loads for plain object access. hadoop-aws must equal the Hadoop inside pyspark.
SPARK_PACKAGES = (
    f"org.apache.spark:spark-sql-kafka-0-10_{SCALA}:4.2.0",
    f"io.delta:delta-spark_4.2_{SCALA}:4.4.0",
    "org.apache.hadoop:hadoop-aws:3.5.0",
    "software.amazon.awssdk:s3:2.35.4",
    "software.amazon.awssdk:s3-transfer-manager:2.35.4",
    "software.amazon.awssdk:sts:2.35.4",
)

# group:artifact. The bundle is replaced above; the others are inside Spark already.
EXCLUDED_PACKAGES = (
    "software.amazon.awssdk:bundle",
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.scala-lang:scala-library",
)

# The broker's own dependencies leave out a logging backend; without one it starts mute.
BROKER_PACKAGES = (
    f"org.apache.kafka:kafka_{SCALA}:4.1.1",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)

LOG_STORE_CLASS = "carillon.S3ConditionalLogStore"
CHECKPOINTS_CLASS = "carillon.S3ConditionalCheckpoints"
