"""Kafka for every process: client options, topics, reading."""
