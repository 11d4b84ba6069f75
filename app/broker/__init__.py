"""The embedded Kafka: one node of Apache Kafka, started from Python by `broker.Broker`."""
