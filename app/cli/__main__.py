"""`python -m app.cli`: the same as `btc`."""

from app.cli import main

main()
