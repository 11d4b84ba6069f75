"""The collector: market data of the exchange becomes one batch per partition and second in `btc.ticks`.

    market_connection ▶ market_streams ▶ market_data ▶ partitions ▶ ticks_log ▶ Kafka
                        exchange_clock ▶      ▲            ▲
                                         rest_client   group_membership

No module imports one to its right (`.importlinter` holds the order); `collector.Collector` wires them.
"""
