"""The collector: the exchange's stream becomes one batch per partition and second; `collector.Collector` is its door.

line ▶ feed ▶ intake ▶ cutter (domain/seconds.py) ▶ partitions ▶ ledger ▶ Kafka
                ▲                                        ▲
              refill, holes                    ownership, takeover
"""
