"""Weight files that somebody prepared, and what reading them comes to."""
