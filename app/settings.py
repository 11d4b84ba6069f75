"""Every setting: one frozen class, read once from `BTC_…` variables."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Each field is the environment variable `BTC_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="BTC_", frozen=True, extra="ignore")

    # Kafka
    kafka_url: str = Field("", description="Brokers as host:port,host:port. Empty: the embedded Kafka.")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Security protocol of the brokers."
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism."
    )
    kafka_username: str = Field("", description="SASL user.")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    kafka_ca_file: Path | None = Field(None, description="Certificate authority that signed the brokers.")
    kafka_cert_file: Path | None = Field(None, description="Client certificate, for mutual TLS.")
    kafka_key_file: Path | None = Field(None, description="Key of the client certificate.")
    broker_port: int = Field(9092, description="Port of the embedded Kafka.", ge=1, le=65535)
    topic_prefix: str = Field("btc", description="First part of every topic's name: one prefix per source.")
    app_id: str = Field("btc-forecast", description="Faust application id; topics of its tables carry it.")
    partitions: int = Field(8, description="Partitions of every topic of the pipeline. Fixed for life.", ge=1)
    replication_factor: int = Field(1, description="Replicas of every topic.", ge=1)
    min_insync_replicas: int = Field(1, description="Replicas that must have a write before it is acknowledged.", ge=1)

    # the exchange
    exchange_ws_url: str = Field("wss://data-stream.binance.vision", description="WebSocket base of the exchange.")
    exchange_rest_url: str = Field("https://data-api.binance.vision", description="REST base of the exchange.")
    symbols: Names = Field(("BTCUSDT",), description="Symbols to collect, separated by commas.")
    source: str = Field("live", description="Name of the source, shown to people: live, synthetic-7, replay-….")
    speed: float = Field(1.0, description="Seconds of exchange time per second of wall time; 1 but for replays.", gt=0)
    exchange_life_s: float = Field(
        85_800.0, description="Age at which a connection is replaced, ahead of Binance's cut after 24 h.", gt=0
    )
    book_levels: int = Field(
        20,
        description="Levels of the book per side in btc.ticks: 20 take 0.4 kB a symbol and second. 0: no book.",
        ge=0,
        le=20,
        multiple_of=20,
    )
    record_frames: Path | None = Field(
        None, description="Folder for every frame as it came, in hftbacktest's format. Unset: no recording."
    )
    grace_ms: float = Field(50.0, description="Wait for stragglers after a second's end, wall time.", ge=0)

    # forecasts
    horizons_s: Annotated[tuple[int, ...], NoDecode] = Field(
        (5, 10, 30, 60, 300), description="Forecast horizons, seconds, rising."
    )
    train_history_s: int = Field(6 * 3600, description="Exchange history pulled for a training.", ge=900)
    train_every_s: int = Field(3600, description="Wall time between trainings.", ge=30)
    train_epochs: int = Field(12, description="Passes over the training set.", ge=1)
    release_ttl_s: int = Field(24 * 3600, description="Age at which a release's forecasts are flagged as expired.")
    scores_halflife_s: float = Field(3600.0, description="Half-life of the running scores, exchange time.", gt=0)

    # storage
    data_dir: Path = Field(Path(".btc/live"), description="Kafka, RocksDB and archive of one source.")
    archive_flush_s: float = Field(60.0, description="A Parquet file is written after so many seconds.", gt=0)
    archive_retention_days: float = Field(30.0, description="Older Parquet files are deleted.", gt=0)

    # servers
    host: str = Field("127.0.0.1", description="Address the API, dashboard and Kafka UI listen on.")
    api_port: int = Field(5001, description="Port of the API.", ge=0, le=65535)
    dashboard_port: int = Field(8501, description="Port of the dashboard.", ge=0, le=65535)
    kafka_ui_port: int = Field(8080, description="Port of the Kafka UI.", ge=0, le=65535)
    worker_port: int = Field(6066, description="Port of the worker's health and metrics.", ge=0, le=65535)
    metrics_port: int = Field(0, description="Port of metrics and health of the other processes; 0: none.", ge=0)
    api_keys: Names = Field((), description="Keys accepted in X-API-Key. Empty: no key is needed.")
    api_rate_limit: int = Field(600, description="REST requests per client and minute; 0: unlimited.", ge=0)
    api_cors_origins: Names = Field((), description="Origins allowed to call the API from a browser.")
    websocket_queue: int = Field(16, description="Messages kept for a slow WebSocket client.", ge=1)
    prediction_ttl_s: float = Field(5.0, description="Age at which a prediction is marked stale, exchange time.", gt=0)
    board_history_s: int = Field(3600, description="Seconds the API and the dashboard keep in memory.", ge=60)
    board_max_bytes: int = Field(256 * 2**20, description="Bytes the board may hold.", ge=2**20)

    # running
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_format: Literal["console", "ecs"] = Field("console", description="console for people, ecs: JSON in ECS fields.")
    instance: str = Field("0", description="Name of this replica; the worker's Kafka instance id ends in it.")

    @field_validator("symbols", "api_keys", "api_cors_origins", "horizons_s", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("symbols")
    @classmethod
    def _upper(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one symbol, for example BTC_SYMBOLS=BTCUSDT,ETHUSDT")
        return tuple(dict.fromkeys(name.upper() for name in value))

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.horizons_s) != sorted(set(self.horizons_s)) or not self.horizons_s or self.horizons_s[0] < 1:
            raise ValueError(f"BTC_HORIZONS_S must rise and start at 1 or more, not {self.horizons_s}")
        return self

    @property
    def bootstrap(self) -> str:
        """The brokers every client connects to, as host:port,host:port."""
        return self.kafka_url.removeprefix("kafka://") or f"127.0.0.1:{self.broker_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables from which another process reads these settings; defaults are left out.

        >>> Settings(symbols=("BTCUSDT", "ETHUSDT"), partitions=2).environment()
        {'BTC_PARTITIONS': '2', 'BTC_SYMBOLS': 'BTCUSDT,ETHUSDT'}
        """
        changed = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return {f"BTC_{name.upper()}": _as_text(value) for name, value in changed.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
