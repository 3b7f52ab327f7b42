"""One config, one result; found by name."""
