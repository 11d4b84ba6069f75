"""Other frameworks on the same ticks: each file is a program of its own, as its documentation would write it."""
