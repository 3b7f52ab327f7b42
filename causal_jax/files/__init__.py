"""Other people's files, read with a limit on their size; our own, written whole."""
