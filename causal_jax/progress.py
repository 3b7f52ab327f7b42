"""The progress bar: a widget where a notebook shows widgets, else a line of text."""

import importlib.util

# Without ipywidgets `tqdm.auto` warns, in every notebook, that it has no widgets.
if importlib.util.find_spec("ipywidgets"):
    from tqdm.auto import tqdm
else:
    from tqdm import tqdm

__all__ = ["tqdm"]
