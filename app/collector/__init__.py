"""The collector: market data of the exchange becomes one batch per partition and second in `btc.ticks`.

    market_connection ▶ market_streams ▶ market_data ▶ partitions ▶ ticks_log ▶ Kafka
             exchange_clock ▶ clock_sync ▶    ▲            ▲
          connection_governor, symbol_check  rest_client  group_membership

Data flows to the right. `collector.Collector` wires the modules, `.importlinter` holds the order of their imports.
"""
