"""Pure: bars, windows, features, forecasts and their judgement. No I/O; time always arrives as an argument."""
