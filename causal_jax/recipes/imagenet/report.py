"""The pages of runs of this family."""


def generator_page(run, metrics, shown):
    """Not yet."""
