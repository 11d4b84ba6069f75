"""`btc up`: the whole walk on one machine; `run` puts it up, `supervisor` keeps it up, `report` says what happened."""
