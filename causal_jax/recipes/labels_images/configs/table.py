r"""Your own data: a CSV table and a graph file, and pictures if you have them.

    causal-jax train --config=table \
        --config.table=people.csv --config.graph=people.txt --workdir=runs/people

Hardware: a CPU core for labels; pictures as `faces_causal_gan` or `celeba_causal_gan`.
Time: not measured; 202,599 rows of nine labels take 15 to 20 s adversarially and 8
  by likelihood, and both are tried first.
Expected: a TVD near what chance alone makes of a table as large; the report says both.
Measured: not measured: the data are yours.

The table's header names the nodes, a row is a unit; columns are binary or categorical
(numbers or words), those that the graph does not name are ignored. The graph file has a
line `parent -> child` per edge; `A, B -> C` and lone nodes are allowed; also Graphviz's
DOT, dagitty's text, GML, or a list [["A", []], ["B", ["A"]]]. Rows that lack a value
(empty, NA, ?, ...) are refused; --config.missing=drop leaves them out. Words of three
states and more are in the order of the alphabet, on which counterfactuals depend;
--config.states='("Level=low,medium,high",)' says another, and --config.coupling=gumbel
needs none. With
--config.images=FOLDER an image node is learned below all labels: the first column whose
cells are files of the folder names the pictures, or the one that --config.image_column
says. Names that leave the folder (absolute, ../, links) are refused unless
--config.pictures_outside allows them. A tenth of the pictures and their rows
(--config.holdout=.1) is not trained on: the report measures against these.
The labels are first learned twice, adversarially and by maximum likelihood, from nine
rows in ten; the tenth decides by its likelihood which way all rows are learned.
Variants: `mle` (maximum likelihood alone), `wgan` (adversarially alone), `images`,
`quicktest`.
"""

from causal_jax.recipes.labels_images.configs import defaults
from causal_jax.recipes.settings import QUICKTEST, unknown_variant, variants


def get_config(variant=""):
    config = defaults.base("table")
    config.dataset = "table"
    config.trainer = "best"
    config.graph = ""
    for part in variants(variant):
        if part == "images":
            defaults.with_images(config)
            config.num_images = 0
            config.holdout = 0.1  # of pictures and rows: what is measured against
        elif part in ("mle", "wgan"):
            config.trainer = part
        elif part == QUICKTEST:
            defaults.quicktest(config)
            if config.stage == "images":
                config.num_images = 0  # of one's own all are read
        else:
            raise unknown_variant(part, ["images", "mle", "wgan"])
    return config
