"""How long Kafka may be away, and how long work may stand still, before a process says so."""

KAFKA_OUTAGE_S = 10.0  # shorter, as in the restart of a broker, a process stays ready
STUCK_S = 30.0  # without progress although Kafka answers: then a restart may help
