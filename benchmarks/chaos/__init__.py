"""The judge of the feed: every fault against the real collector, judged from the emulator's own record.

    cases ▶ schedule ▶ run_case ─ follower ▶ topics as readers see them ┐
                          │                                             ├▶ judge, timeline ▶ results ▶ page
                          └─ exchange ▶ record of what was made ────────┘

`python -m benchmarks.chaos --help`; docs/feed.md has the table that it writes.
"""
