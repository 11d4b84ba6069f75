"""The reference pages in `docs/`, written from the code; `python -m app.reference` writes them, `--check` compares."""
