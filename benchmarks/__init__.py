"""Benchmarks of every speed target: `python -m benchmarks` measures them again and compares with baselines.

A file is one benchmark: it makes its load, runs the real processes on an embedded Kafka, and records `Figure`s.
"""
