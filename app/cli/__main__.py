"""`python -m app.cli` is `btc`."""

from app.cli import main

main()
