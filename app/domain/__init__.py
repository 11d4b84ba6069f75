"""The domain: bars, features, forecasts, outcomes and scores as pure functions and values, without I/O or clocks."""
