r"""Draws sheets of pictures of a trained run.

    causal-jax sheet --workdir=DIR --node=Mustache --out=mustache.png
    causal-jax sheet --workdir=DIR --node=all --out=FOLDER
    causal-jax sheet --workdir=DIR --kind=interpolation --node=Mustache \
        --out=mustache.png
    causal-jax sheet --workdir=DIR --kind=diversity --out=faces.png
    causal-jax sheet --workdir=DIR --kind=grid2d --nodes=Male,Mustache \
        --out=grid.png
    causal-jax sheet --workdir=DIR --kind=states2d \
        --nodes=shape_label,texture_label --out=digits.png
    causal-jax sheet --workdir=DIR --kind=masks --classes="lion|pizza" --out=masks.png
    causal-jax sheet --workdir=DIR --kind=classes --node=texture \
        --classes="lion|pizza" --out=from_lion_to_pizza.png

--kind:
  do             (the default) rows do(node = state) for every state, all with one
                 noise, then given node = state
  interpolation  a unit a row, the label from one state to the other along it: its code
                 for the image network stands between them, noise and all other labels
                 stay; below, the same units where the label's descendants follow the
                 nearest state
  diversity      16 x 16 samples of fixed noises
  grid2d         rows are values of one label, columns of another, every cell the same
                 units; all other labels are those of the nearest intervention
  states2d       the same, state by state, for any model with an image

for models with parts (natural images, digits; --workdir may be a folder that
`causal-jax import --as=cgn-imagenet` wrote), under --do of labels:
  parts            a unit a row: what its mask was made of, mask, texture, background
                   and image
  masks            object masks nobody labelled: pictures beside them, a class a row
  backgrounds      inpainted backgrounds: pictures beside them, a class a row
  counterfactuals  a unit a row: as it is, then with other --classes of one part
                   (--node; of each in turn without), its noise kept
  classes          from one of --classes to the other, noise kept, --num pictures
                   between; of all parts or one, --node=texture
--classes are names or numbers between |, "lion|red_panda|207".

--node=all writes a file KIND_NODE.png for every label into the folder --out.
"""

import hashlib
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, count
from pathlib import Path
from urllib.parse import quote

import jax
from absl import flags
from PIL import Image

from causal_jax import graph as graphs
from causal_jax.cli import assignments, opened_parts, part_sheets
from causal_jax.recipes.imagenet.opened import is_imported
from causal_jax.reporting import grids, interpolation, sheets
from causal_jax.runs.load import IMAGE, load
from causal_jax.runs.spec import load_spec
from causal_jax.scm import SCM
from causal_jax.types import Params

# Pictures a row, in all, or units a cell, where --num says nothing.
KINDS = {"do": 8, "interpolation": 8, "diversity": 256, "grid2d": 4, "states2d": 1}
KINDS |= part_sheets.KINDS
_TWO_LABELS = {
    "grid2d": interpolation.two_labels_sheet,
    "states2d": interpolation.two_states_sheet,
}
ALL = "all"
_MAX_STEM = 180  # bytes of a file's name: file systems take 255


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string(
        "workdir", None, "Folder of a run or of imported weights.", required=True
    )
    flags.DEFINE_string("kind", "do", "; ".join(KINDS))
    flags.DEFINE_string("node", None, "A label, or all: one file per label.")
    flags.DEFINE_string("nodes", None, "Two labels: of the rows, of the columns.")
    flags.DEFINE_string("out", None, "File, .png; a folder for all.", required=True)
    flags.DEFINE_integer("num", None, "Pictures per row, in all or per cell; by kind.")
    flags.DEFINE_string("classes", None, 'Of models with parts: "lion|red_panda".')
    flags.DEFINE_string("do", "", 'Of models with parts: "texture_label=pizza".')
    flags.DEFINE_integer("seed", 0, "Seed; the same seed gives the same units.")
    opened_parts.define_flags()


def main(args: flags.FlagValues) -> None:
    """Draws the sheets that the flags ask for."""
    written = write(
        args.workdir,
        args.out,
        kind=args.kind,
        node=args.node,
        nodes=args.nodes,
        num=args.num,
        seed=args.seed,
        classes=args.classes,
        do=args.do,
        open_fn=partial(opened_parts.open_model, args=args),
    )
    for path in written:
        print(f"wrote {path}")
    where = assignments.as_flag("workdir", args.workdir)
    if args.kind in part_sheets.KINDS or is_imported(args.workdir):
        print(f"Next: causal-jax animate {where} --out=classes.gif")
        return
    node = None if args.node == ALL else args.node
    do = assignments.suggested("do", load_spec(args.workdir), node)
    print(f"Next: causal-jax sample {where} {do} --twin --out=twins.png")


def write(
    workdir: str | Path,
    out: str | Path,
    *,
    kind: str = "do",
    node: str | None = None,
    nodes: str | None = None,
    num: int | None = None,
    seed: int = 0,
    classes: str | None = None,
    do: str = "",
    open_fn: Callable[[str | Path], tuple[SCM, Params]] | None = None,
) -> list[Path]:
    """Draws the sheets that are asked for and writes each whole or not at all.

    Returns:
      The files written.

    Raises:
      ValueError: a question that does not fit; see the module for those that do.
    """
    _require_question(kind, node, nodes, num)
    has_parts = kind in part_sheets.KINDS
    _require_part_question(kind, node, classes, do)
    _require_out(out, is_folder=node == ALL and not has_parts)
    scm, params = (open_fn or load)(workdir)
    if IMAGE not in scm.nodes:
        raise ValueError(
            f"{workdir} has no images to draw: causal-jax sample "
            f"{assignments.as_flag('workdir', workdir)} --out=FILE.csv gives its "
            "labels, and evaluate its report"
        )
    if has_parts:
        print("drawing (a first call compiles) ...", file=sys.stderr)
        ask = {"num": num, "node": node, "chosen": classes, "do": do}
        key = jax.random.key(seed)
        grids.save_png(out, part_sheets.picture(scm, params, key, kind, **ask))
        return [Path(out)]
    pair = assignments.names(nodes or "", "nodes")
    for name in pair if node in (None, ALL) else (node,):
        graphs.require_node(scm.graph, name)
    files = _file_names(kind, scm.nodes)
    print("drawing (a first call compiles) ...", file=sys.stderr)
    written = []
    for name, picture in pictures(scm, params, kind, node, pair, num, seed):
        path = Path(out)
        if node == ALL:
            path /= files[name]
        grids.save_png(path, picture)
        written.append(path)
    if not written:
        raise ValueError(
            f"--kind={kind} draws labels above the image, and {workdir} has none: "
            "give --kind=parts"
        )
    return written


def pictures(
    scm: SCM,
    params: Params,
    kind: str,
    node: str | None,
    nodes: tuple[str, ...],
    num: int | None,
    seed: int,
) -> Iterator[tuple[str, Image.Image]]:
    """(label, sheet), one for every label that is asked for."""
    drawing = (scm, params, jax.random.key(seed))
    num = num or KINDS[kind]
    if kind == "diversity":
        yield "", sheets.diversity_sheet(*drawing, num)
        return
    if kind in _TWO_LABELS:
        units = f"the same {num} unit{'s' if num > 1 else ''} in every cell"
        done = " down, ".join(f"do({node})" for node in nodes)
        title = f"{done} along: {units}"
        yield "", _TWO_LABELS[kind](*drawing, nodes, num, title=title)
        return
    draw_fn = {
        "do": sheets.do_versus_see_sheet,
        "interpolation": interpolation.interpolation_sheet,
    }[kind]
    for name in _labels(scm, kind) if node == ALL else (node,):
        yield name, draw_fn(*drawing, name, num)


def _file_names(kind: str, names: Iterable[str]) -> dict[str, str]:
    """{label: a file's name}: short, and distinct even where case does not count."""
    files: dict[str, str] = {}
    for name in names:
        letters = unicodedata.normalize("NFC", name)
        stem = (
            kind
            + "_"
            + "".join(c if _is_plain(c) else quote(c, safe="") for c in letters)
        )
        if len(stem.encode()) > _MAX_STEM:
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            stem = f"{stem.encode()[:_MAX_STEM].decode(errors='ignore')}_{digest}"
        taken = {file.lower() for file in files.values()}
        numbered = (
            f"{stem}{end}.png" for end in chain([""], map("_{}".format, count(2)))
        )
        files[name] = next(file for file in numbered if file.lower() not in taken)
    return files


def _is_plain(letter: str) -> bool:
    """Whether it may stand in a file's name: letters of any language, their marks."""
    return letter in " _.,+-" or unicodedata.category(letter)[0] in "LMN"


def _labels(scm: SCM, kind: str) -> tuple[str, ...]:
    if kind == "do":
        return scm.discrete
    return tuple(name for name in scm.discrete if name in scm.parents.get(IMAGE, ()))


def _require_question(kind, node, nodes, num) -> None:
    if kind not in KINDS:
        raise ValueError(f"--kind={kind}: {graphs.suggestion(kind, KINDS)}")
    wanted = {"diversity": None, **dict.fromkeys(_TWO_LABELS, "nodes")}
    wanted |= dict.fromkeys(part_sheets.KINDS)
    wanted = wanted.get(kind, "node")
    asked = {"node": None if kind in part_sheets.KINDS else node, "nodes": nodes}
    for flag, value in asked.items():
        if flag == wanted and not value:
            example = "Male,Mustache" if flag == "nodes" else "Mustache or --node=all"
            raise ValueError(f"--kind={kind} needs labels: give --{flag}={example}")
        if flag != wanted and value:
            raise ValueError(f"--kind={kind} takes no --{flag}: leave it out")
    if num is not None and num < 1:
        raise ValueError(f"--num is {num}: ask for at least one picture")


def _require_part_question(kind, node, classes, do) -> None:
    if kind in part_sheets.KINDS:
        part_sheets.require_question(kind, node, classes)
        return
    for flag, value in (("classes", classes), ("do", do)):
        if value:
            raise ValueError(f"--kind={kind} takes no --{flag}: leave it out")


def _require_out(out: str | Path, *, is_folder: bool) -> None:
    is_file = Path(out).suffix == ".png"
    if is_folder and is_file:
        raise ValueError(f"--out={out}: --node=all writes a folder, one file a label")
    if not is_folder and not is_file:
        raise ValueError(f"--out={out} must end in .png")
