"""Kafka's request DescribeQuorum, which aiokafka has not: who leads the controllers, and how far the others are.

The layout is Kafka's own DescribeQuorumRequest.json and DescribeQuorumResponse.json, version 1 (KIP-595, KIP-836). A
broker passes the request on to the leader of the controllers.
"""

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

METADATA_TOPIC = "__cluster_metadata"
REPLICA = (
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_ms", Int64),  # by the leader's clock, −1: never
    ("last_caught_up_ms", Int64),  # the same; of the leader itself it is now
    ("tags", TaggedFields),
)


class DescribeQuorumResponse_v1(Response):  # noqa: N801 – as aiokafka names them
    """The state of the controllers' log."""

    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", CompactArray(*REPLICA)),
                        ("observers", CompactArray(*REPLICA)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorumRequest_v1(RequestStruct):  # noqa: N801
    """Asks for some partitions of the controllers' log; there is one."""

    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 1
    RESPONSE_TYPE = DescribeQuorumResponse_v1
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorumRequest(Request[DescribeQuorumRequest_v1]):
    """The request for the controllers' only partition."""

    API_KEY = 55

    def build(self, request_struct_class: type[DescribeQuorumRequest_v1]) -> DescribeQuorumRequest_v1:
        """Return the request in the version both sides speak."""
        return request_struct_class([(METADATA_TOPIC, [(0, {})], {})], {})
