r"""Imagines units otherwise: what they would have been under other labels.

    causal-jax counterfactual --workdir=DIR --image=face.png --do="Smiling=1" \
        --out=smiling.png
    causal-jax counterfactual --workdir=DIR --image=0-7 --do="Male=1" --out=men.html
    causal-jax counterfactual --workdir=DIR --image=a.png,b.png --do="Mustache=1" \
        --labels="Male=0,Young=1" --noresidual --out=mustache.png

    causal-jax counterfactual --workdir=DIR --units=people.csv --do="Smoker=no" \
        --out=imagined.csv

--image is a picture file, .npz or .npy arrays, or numbers of held-out pictures of the
run's data (3, 0-7); several with commas. Labels that --labels does not give are read by
the run's Labeler, and the page says which. The first call of a run trains its noise
encoder, about a minute.

Columns: factual, reconstruction (what the generator draws from the abducted noise),
counterfactual, difference. What the generator cannot draw of the image, the residual,
is kept where the labels do not move the image, and nowhere with --noresidual. What was
read, what is not identified and the bounds of labels stand below the pictures, in .html
as a table, and are printed.

Level three is not identified by what is seen: where an intervention has labels below
it, one draw of them is shown (noise and states coupled as the model's mechanisms are)
with bounds that hold for every coupling.

--units is a table, a row a unit, whose columns are labels of the model; a label that it
has no column for, or an empty cell, is inferred; rows without any are left out. Units
go by their number, or by what the column --id calls them. Written
is the probability of each state of each label that may change, given all that was seen
of the unit, in the model's coupling, and its bounds where the unit was seen whole.
Probabilities are exact where there is a closed form, else of 10,000 draws, with the
standard error.
"""

import sys
from pathlib import Path

from absl import flags

from causal_jax import files
from causal_jax.cli import assignments, factual, units
from causal_jax.messages import aligned
from causal_jax.recipes.labels_images import counterfactuals
from causal_jax.recipes.labels_images.imagination import (
    open_with_images,
    with_encoder,
)
from causal_jax.recipes.recipe import open_run

ENDINGS = (".png", ".html")


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string("image", "", "Files, or numbers of held-out pictures.")
    flags.DEFINE_string("units", "", "A CSV table, a row a unit: labels alone.")
    flags.DEFINE_string("id", "", "Column of --units that names them; else numbers.")
    flags.DEFINE_string("do", None, 'Interventions, "Smiling=1".', required=True)
    flags.DEFINE_string(
        "out", None, "File to write: .png or .html; .csv of --units.", required=True
    )
    flags.DEFINE_string("labels", "", 'Labels that are known, "Male=0,Young=1".')
    flags.DEFINE_bool(
        "residual",
        True,
        "Keep what the generator cannot draw, where labels move nothing.",
    )
    flags.DEFINE_integer("seed", 0, "Seed.")


def main(args: flags.FlagValues) -> None:
    """Imagines and writes what the flags ask for."""
    path = Path(args.out)
    if bool(args.image) == bool(args.units):
        raise ValueError("give --image=FILE, a picture, or --units=FILE.csv, rows")
    if args.units:
        if args.labels:
            raise ValueError("--labels are a picture's; a row of --units says its own")
        if not args.residual:
            raise ValueError("--noresidual is a picture's; --units are labels alone")
        units.imagine(args.workdir, args.units, args.do, path, args.seed, args.id)
        return
    if args.id:
        raise ValueError("--id names a column of --units; a picture has none")
    if path.suffix not in ENDINGS:
        raise ValueError(f"--out={path} must end in {' or '.join(ENDINGS)}")
    files.require_no_folder(path)
    if path.resolve() in factual.files(args.image):
        raise ValueError(f"--out={path} would replace --image: name another file")
    trained = open_with_images(open_run(args.workdir))
    do = factual.states(trained, args.do, "do")
    if not do:
        raise ValueError('--do names no label: give it one, as --do="Smiling=1"')
    factual.states(trained, args.labels, "labels")  # its errors before any work
    images, names = factual.pictures(args.image, trained)
    rows, labels_note = factual.labels(trained, images, args.labels)
    print("abducting the pictures' noise (compiling it first) ...", file=sys.stderr)
    model = with_encoder(trained)  # an encoder is trained after all that can be wrong
    found = counterfactuals.imagine(
        model, images, rows, do, residual=args.residual, seed=args.seed
    )
    texts = counterfactuals.notes(model, found, do, labels_note)
    try:
        table = counterfactuals.bound_rows(model, names, found, do)
    except ValueError as error:
        texts, table = [*texts, f"No bounds: {error}."], []
    title = f"{model.trained.run.config.name}: imagine do({args.do})"
    picture = counterfactuals.sheet(model, names, found, do)
    counterfactuals.write(path, picture, title, texts, table)
    print(summary(texts, table))
    print(f"wrote {path}")
    print(f"Next: causal-jax soundness {assignments.as_flag('workdir', args.workdir)}")


def summary(texts: list[str], rows: list[counterfactuals.Row]) -> str:
    """The same as plain text."""
    lines = list(texts)
    if rows:
        table = [counterfactuals.HEADER, *(row.cells() for row in rows)]
        lines += aligned(table)
    return "\n".join(lines)
