"""Every target of speed, measured again: `python -m benchmarks`. Each figure stands beside its baseline and its target.

A file is one benchmark: it makes its load, runs the real processes on an embedded Kafka, and leaves `Figure`s.
"""
