r"""Writes counterfactual pictures as a data set that tensorflow-datasets reads.

    causal-jax generate --generator=runs/cgn --num=100000 \
        --name=double_colored_counterfactual --data_dir=DIR
    causal-jax generate --generator=FOLDER --class_names=classes.txt --truncation=0.5 \
        --classes="shape=lion|red_panda;texture=pizza;background=koala" \
        --jpeg_quality=90 --name=lions --data_dir=DIR
    causal-jax generate --generator=runs/cgn --num=20 --files=FOLDER

The generator is the folder of a run, of weights that `causal-jax import
--as=cgn-imagenet` wrote, or a published checkpoint of digits (ckp.pth). Every picture
has fresh noise and labels of its own for shape, foreground and background; all three
are written beside it. The i-th picture depends on --seed and i alone. Read the set with
tfds, or train on it:

    causal-jax train --config=mnist_classifier \
        --config.counterfactuals=double_colored_counterfactual \
        --config.counterfactuals_dir=DIR ...

--files=FOLDER writes single pictures instead, and their labels to FOLDER/labels.csv.

(A classifier that is given a generator draws its pictures itself; nothing is written.)

--classes:
  random    (the default) each of the three labels is any class, independently
  PARTS     "shape=lion|red_panda;texture=pizza": classes of parts, by name or number,
            drawn equally often; a part that is not named has all. Of a name with
            commas ("lion, king of beasts") one word is enough; names with | ; or =
            stand in double quotes
  best      of each part the classes whose pictures are best, as `causal-jax evaluate`
            wrote them in the run's metrics.json
"""

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from absl import flags

from causal_jax.cli import classes, opened_parts
from causal_jax.data import counterfactuals, picture_files
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.importers import weight_file
from causal_jax.networks.cgn import pictures
from causal_jax.networks.cgn.imagenet import GeneratedPicture
from causal_jax.recipes.digits import generator as digits
from causal_jax.recipes.imagenet import generated, opened
from causal_jax.reporting.grids import to_uint8
from causal_jax.runs import folder
from causal_jax.runs.load import require_finished
from causal_jax.scm import SCM
from causal_jax.types import Params


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string(
        "generator", None, "A folder, or digits' .pth or .safetensors.", required=True
    )
    flags.DEFINE_string("name", None, "The data set's name.")
    flags.DEFINE_string("data_dir", None, "Where data sets lie; else $TFDS_DATA_DIR.")
    flags.DEFINE_string(
        "files", None, "A new folder of single pictures, without --name."
    )
    flags.DEFINE_integer("num", 100_000, "Number of pictures.")
    flags.DEFINE_string("classes", "random", "random, best, or classes of parts.")
    flags.DEFINE_integer(
        "per_mask", 1, "Digits: pictures that share a mask; divides --num."
    )
    flags.DEFINE_integer("seed", 0, "Seed of the draws.")
    flags.DEFINE_integer("jpeg_quality", None, "1 to 95 writes JPEG; else PNG.")
    flags.DEFINE_integer(
        "batch_size", None, "Pictures drawn at once; else by their size."
    )
    opened_parts.define_flags()


def main(args: flags.FlagValues) -> None:
    """Draws and writes what the flags ask for."""
    _require_numbers(args)
    if bool(args.name) == bool(args.files):
        raise ValueError(
            "give --name=NAME for a data set, or --files=FOLDER for single pictures"
        )
    if args.files and args.data_dir:
        raise ValueError("--data_dir is of --name: leave it out with --files")
    if args.files and Path(args.files).exists():
        raise ValueError(f"{args.files} is there already: name another folder")
    scm, params = open_generator(args.generator, args)
    choices = classes.read_choices(args.classes, scm, args.generator)
    names = scm.states(LABELS[0])
    drawn = blocks(
        scm,
        params,
        num=args.num,
        seed=args.seed,
        per_mask=args.per_mask,
        choices=choices,
        block=args.batch_size,
    )
    if args.files:
        picture_files.write(
            args.files,
            drawn,
            class_names=list(map(str, names)),
            jpeg_quality=args.jpeg_quality,
        )
        print(f"wrote {args.num} pictures and {picture_files.TABLE} to {args.files}")
        return
    path = counterfactuals.write(
        args.name,
        drawn,
        description="Counterfactual pictures drawn by causal_jax, "
        f"seed {args.seed}, {args.per_mask} a mask, classes {args.classes}.",
        about=_about(scm, args.generator),
        size=pictures.picture_size(scm),
        class_names=None if all(map(str.isdecimal, names)) else names,
        num_classes=len(names),
        jpeg_quality=args.jpeg_quality,
        data_dir=args.data_dir,
    )
    print(f"wrote {args.num} pictures to {path}")
    print(_next_step(scm, args.generator, args.name, path.parents[1]))


def open_generator(path: str, args: flags.FlagValues) -> tuple[SCM, Params]:
    """The model that draws the pictures.

    Raises:
      ValueError: there is none, it has no parts, it has steps left to train, or a flag
        that it has no use for.
    """
    if path.lower().endswith(weight_file.ENDINGS) and not Path(path).is_dir():
        if args.class_names or args.shared_noise:
            raise ValueError(
                f"{path} draws digits, whose classes are numbers and whose parts have "
                "noise of their own: leave --class_names and --shared_noise out"
            )
        scm, params = digits.open_generator(path)
        if args.truncation is not None:
            scm = opened.with_truncation(scm, args.truncation)
    else:
        if folder.is_run(path):  # else imported weights, or a model that was saved
            require_finished(path)
        scm, params = opened_parts.open_model(path, args)
    pictures.require_parts(scm, path)
    return scm, params


def blocks(
    scm: SCM,
    params: Params,
    *,
    num: int,
    seed: int,
    per_mask: int = 1,
    choices: classes.Choices | None = None,
    block: int | None = None,
) -> Iterator[Counterfactuals]:
    """The pictures that the flags ask for, as they are written.

    Digits of all classes are drawn as a classifier draws them, and may share masks.

    Raises:
      ValueError: numbers that do not fit.
    """
    key = jax.random.key(seed)
    every = tuple(range(pictures.num_classes(scm)))
    choices = choices or dict.fromkeys(LABELS, every)
    are_all = all(found == every for found in choices.values())
    if isinstance(scm.mechanisms["shape"], GeneratedPicture) or not are_all:
        if per_mask != 1:
            raise ValueError(
                "--per_mask is for digits of all classes: leave it or --classes out"
            )
        return generated.draw_blocks(
            scm, params, key, num=num, choices=choices, block=block
        )
    if block is not None:
        raise ValueError("--batch_size is not for digits of all classes: leave it out")
    digits.require_multiple(num, per_mask)
    return _digit_blocks(scm, params, key, num=num, per_mask=per_mask)


def _digit_blocks(scm, params, key, *, num, per_mask) -> Iterator[Counterfactuals]:
    for drawn in digits.draw_blocks(scm, params, key, num=num, per_mask=per_mask):
        labels = (drawn.shape_labels, drawn.texture_labels, drawn.background_labels)
        named = dict(zip(LABELS, map(np.asarray, labels), strict=True))
        yield Counterfactuals(to_uint8(drawn.images), named)


def _require_numbers(args: flags.FlagValues) -> None:
    for name in ("num", "per_mask", "batch_size"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise ValueError(f"--{name} is at least 1, not {value}")
    if args.jpeg_quality is not None and not 1 <= args.jpeg_quality <= 95:
        raise ValueError(f"--jpeg_quality is 1 to 95, not {args.jpeg_quality}")


def _about(scm: SCM, generator: str) -> dict | None:
    """What a digits' run draws, by which a classifier's check knows it."""
    is_digits = not isinstance(scm.mechanisms["shape"], GeneratedPicture)
    if is_digits and folder.is_run(generator):
        return digits.digits_of_run(generator)
    return None


def _next_step(scm: SCM, generator: str, name: str, data_dir: Path) -> str:
    if isinstance(scm.mechanisms["shape"], GeneratedPicture):
        config = "imagenet_ensemble"
    else:
        variant = "VARIANT"
        if Path(generator).is_dir():
            variant = folder.read_config(generator).get("variant", variant)
        config = f"mnist_classifier:{variant}"
    return (
        f"Next: causal-jax train --config={config} --workdir=DIR "
        f"--config.counterfactuals={name} --config.counterfactuals_dir={data_dir}"
    )
