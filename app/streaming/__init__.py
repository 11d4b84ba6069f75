"""The Faust side of the worker: app, per-partition state, admission, tables, serving models, watchdog."""
