"""One module per page: each draws what the other modules built, once a second."""
