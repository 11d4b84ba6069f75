"""`btc up`: the whole system on one machine, as supervised processes."""
