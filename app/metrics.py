"""Every Prometheus metric, declared in one place and called in one line."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY_S = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

# Feed
TICKS_TRADES = Counter("btc_ticks_trades_total", "Trades collected.", ["symbol"])
TICKS_QUOTES = Counter("btc_ticks_quotes_total", "Quotes collected.", ["symbol"])
TICKS_BATCHES = Counter("btc_ticks_batches_total", "Batches written, one per partition and second.", ["partition"])
TICKS_MISSING = Counter("btc_ticks_missing_total", "Trade ids skipped by the stream.", ["symbol"])
TICKS_REFILLED = Counter("btc_ticks_refilled_total", "Missing trades fetched over REST into `btc.ticks`.", ["symbol"])
TICKS_BACKFILLED = Counter("btc_ticks_backfilled_total", "Missing trades fetched into `btc.backfill`.", ["symbol"])
TICKS_LOST = Counter("btc_ticks_lost_total", "Missing trades that the exchange does not have.", ["symbol"])
GAPS_OPEN = Gauge("btc_gaps_open", "Gaps of trades that are open.", ["symbol"])
GAPS_OPEN_IDS = Gauge("btc_gaps_open_ids", "Trade ids in open gaps.", ["symbol"])
TICKS_LATE = Counter("btc_ticks_late_total", "Trades that arrived after their second was closed.", ["symbol"])
TICKS_AHEAD = Counter("btc_ticks_ahead_total", "Trades from the future of the exchange's clock.", ["symbol"])
TICKS_MALFORMED = Counter("btc_ticks_malformed_total", "Frames of the exchange that could not be read.")
TICKS_RECONNECTS = Counter("btc_ticks_reconnects_total", "Connections to the exchange opened again.", ["reason"])
TICKS_CLOCK_DOUBTS = Counter(
    "btc_ticks_clock_doubts_total",
    "Times at which the exchange's REST time and its trades began to contradict each other, by who is not believed: "
    "`rest` or `trades`.",
    ["source"],
)
TICKS_CONNECTION_ATTEMPTS = Counter("btc_ticks_connection_attempts_total", "WebSocket handshakes sent to the exchange.")
TICKS_STUCK = Counter("btc_ticks_stuck_streams_total", "Streams silent far beyond their usual gap.", ["stream"])
TICKS_NOT_TRADING = Gauge("btc_ticks_not_trading", "1: unknown to the exchange or not trading.", ["symbol"])
TICKS_SECOND = Gauge("btc_ticks_second", "Newest second written, exchange time.", ["partition"])
TICKS_LAG = Gauge("btc_ticks_lag_seconds", "Wall time for which this collector's slowest partition is not written.")
TICKS_SILENT = Gauge("btc_ticks_silent_seconds", "Wall time since the newest frame of the exchange.")
TICKS_FUTURE = Gauge("btc_ticks_future_seconds", "Wall time by which an open second is ahead of the exchange's clock.")
TICKS_CLOSE_DELAY = Histogram(
    "btc_ticks_close_delay_seconds", "From the end of the second to its acknowledged batch.", buckets=LATENCY_S
)

# Pipeline
STAGE_LATENCY = Histogram(
    "btc_stage_latency_seconds", "From the close of the second to the stage's acknowledged message.", ["stage"],
    buckets=LATENCY_S,
)  # fmt: skip
BATCHES = Counter("btc_batches_total", "Batches worked on.", ["stage"])
REPEATED = Counter("btc_repeated_total", "Batches that were true repeats and skipped.", ["stage"])
# The name on the wire is older than the word; alerts and dashboards use it.
SUPERSEDED = Counter("btc_zombie_total", "Batches of an older collector generation, refused.", ["stage"])
DEAD_LETTERS = Counter("btc_dead_letters_total", "Messages set aside.", ["topic"])
SYMBOLS = Gauge("btc_symbols", "Symbols in the newest batch.", ["partition"])

# Models
MODEL_CALL = Histogram("btc_model_call_seconds", "One model call.", ["kind"], buckets=(0.0002, 0.0005, *LATENCY_S))
MODEL_RUNNING = Gauge("btc_model_running", "1 for each release that forecasts.", ["model", "kind", "role"])
MODEL_REFUSED = Counter("btc_model_refused_total", "Releases that failed verification.", ["reason"])
FALLBACK = Counter("btc_fallback_total", "Batches served by the naive forecast.")

# Skill
SKILL = Gauge("btc_skill", "1 − pinball loss ÷ naive's.", ["symbol", "model", "horizon_s"])
COVERAGE = Gauge("btc_coverage", "Share of outcomes inside the 90 % interval.", ["symbol", "model", "horizon_s"])
MAE = Gauge("btc_mae", "Mean absolute error, log return.", ["symbol", "model", "horizon_s"])
RMSE = Gauge("btc_rmse", "Root mean squared error, log return.", ["symbol", "model", "horizon_s"])
SETTLED = Counter("btc_settled_total", "Forecasts settled, (symbol, second) pairs.", ["horizon_s"])
VOID = Counter("btc_void_total", "Forecasts that could not be settled.", ["horizon_s", "reason"])

# Read side
API_REQUESTS = Counter(
    "btc_api_requests_total", "Answered requests and WebSocket handshakes, 101 where a session opened.",
    ["route", "method", "status"],
)  # fmt: skip
API_LATENCY = Histogram("btc_api_latency_seconds", "Time to answer.", ["route"], buckets=(0.001, *LATENCY_S))
API_SESSIONS_ENDED = Counter(
    "btc_api_sessions_ended_total",
    "WebSocket sessions that ended: by the `client`, for a `restart` of ours, because the client was too `slow`, or "
    "by an `error` of ours.",
    ["reason"],
)
API_WEBSOCKETS = Gauge("btc_api_websockets", "Connected WebSocket clients.")
API_DROPPED = Counter("btc_api_dropped_total", "Updates dropped for clients that could not keep up.")
BOARD_SECOND = Gauge("btc_board_second", "Newest second on the board, exchange time.")
BOARD_BYTES = Gauge("btc_board_bytes", "Bytes the board holds.")
BOARD_GAP_AGE = Gauge(
    "btc_board_gap_age_seconds", "Exchange time since the oldest open gap of the ledger was noticed; 0 without one.",
    ["stream"],
)  # fmt: skip
ARCHIVE_ROWS = Counter("btc_archive_rows_total", "Rows written to Parquet.", ["topic"])
ARCHIVE_FILES = Counter("btc_archive_files_total", "Parquet files written.", ["topic"])
ARCHIVE_ERRORS = Counter("btc_archive_errors_total", "Writes that failed and are tried again.", ["reason"])

# Brokers, by the monitor beside each; the label has its pod's name, so that other processes export none of them
KAFKA_BROKER_UP = Gauge("btc_kafka_broker_up", "1 while this broker answers a client's questions.", ["broker"])
KAFKA_BROKERS = Gauge("btc_kafka_brokers", "Brokers that are up, as this one knows.", ["broker"])
KAFKA_LEADERS = Gauge("btc_kafka_leaders", "Partitions this broker leads.", ["broker"])
KAFKA_UNDER_REPLICATED = Gauge(
    "btc_kafka_under_replicated_partitions", "Partitions led here with a replica that is not in sync.", ["broker"]
)
KAFKA_BELOW_MIN_ISR = Gauge(
    "btc_kafka_below_min_isr_partitions", "Partitions led here that refuse writes: too few are in sync.", ["broker"]
)
KAFKA_OUT_OF_SYNC = Gauge("btc_kafka_out_of_sync_replicas", "Replicas of this broker that are not in sync.", ["broker"])
KAFKA_OFFLINE = Gauge("btc_kafka_offline_partitions", "Partitions of the cluster without a leader.", ["broker"])
KAFKA_ISR_CHANGES = Counter(
    "btc_kafka_isr_changes_total", "Partitions led here whose in-sync replicas changed.", ["broker", "change"]
)
KAFKA_CONTROLLER_KNOWN = Gauge(
    "btc_kafka_controller_known", "1 while the controllers answer and have a leader.", ["broker"]
)
KAFKA_VOTERS_BEHIND = Gauge("btc_kafka_voters_behind", "Controllers that are away or have not caught up.", ["broker"])
KAFKA_GROUP_LAG = Gauge(
    "btc_kafka_group_lag", "Messages a group has still to read; by the broker that coordinates it.", ["group", "topic"]
)

# Every process
ERRORS = Counter("btc_errors_total", "Errors that were survived.", ["process", "kind"])
