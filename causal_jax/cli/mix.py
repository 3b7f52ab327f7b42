r"""Mixes held-out pictures: shapes with other textures, objects with backgrounds.

    causal-jax mix --data=imagenet2012 --split=validation --masker=DIR --num=50 \
        --size=224 --masker_size=320 --out=FOLDER

finds the object of each picture with a saliency network, and writes what classifiers
are asked with, in the layouts of the published sets:

    FOLDER/cue_conflict/SHAPE/SHAPE12-TEXTURE7.png
        the object of record 12, filled with texture cut from the object of record 7,
        which is of another class; --num per shape, textures balanced
    FOLDER/backgrounds/{original,mixed_same,mixed_rand}/val/00_CLASS/12.png
        the object of record 12 before its own background, before that of another
        picture of its class, and before that of a picture of another class
    FOLDER/receipt.json
        how all was made, and of which records

The masker is what `causal-jax import --as=u2net` (or u2netp) wrote. Pictures whose mask
is empty, full or unsure are left out; a table says how many. Two classes or more, each
with pictures enough, are needed. The same flags write the same pictures.
"""

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from causal_jax import files
from causal_jax.data import images, labelled_pictures, masked_pictures, mixed_sets
from causal_jax.data.labelled_pictures import Encoded
from causal_jax.data.masked_pictures import MaskedPictures
from causal_jax.data.mixtures import VERDICTS, Limits, require_shading
from causal_jax.graph import suggestion
from causal_jax.importers import imported
from causal_jax.importers.u2net import CHANNELS
from causal_jax.networks import u2net

RECEIPT = "receipt.json"
# Flags that say nothing of the other kind, and their defaults.
_FLAGS_OF = {
    "cue_conflict": {"shading": 0.7, "background": "grey"},
    "backgrounds": {"max_hole": Limits().max_hole},
}
_MIN_MASKER_SIZE = 32  # below it the network's innermost stage has less than a pixel


def define_flags() -> None:
    """Defines this command's flags."""
    limits = Limits()
    text, number = flags.DEFINE_string, flags.DEFINE_integer
    text("data", None, "A data set with `image` and `label`.", required=True)
    text("split", "validation", "Pictures that nothing was trained on.")
    text("data_dir", None, "Where data sets lie; else $TFDS_DATA_DIR.")
    text("masker", None, "Folder of an imported u2net or u2netp.", required=True)
    number("masker_size", 160, "Side to which pictures are scaled for the masker.")
    text("out", None, "Folder to write; it must not be there.", required=True)
    text("kinds", ",".join(mixed_sets.KINDS), "Which sets are made.")
    number("size", 64, "Side of the pictures, pixels.")
    number("num", 50, "Pictures per class, of each set.")
    number("seed", 0, "Seed of all draws.")
    flags.DEFINE_float(
        "shading", 0.7, "How much of an object's light and dark is kept, 0 to 1."
    )
    text(
        "background",
        "grey",
        "Of cue conflicts: grey, which is the same in all and tells nothing, or "
        "patches, of the least salient places of all classes.",
    )
    share = flags.DEFINE_float
    share("min_area", limits.min_area, "An object's least share of a picture.")
    share("max_area", limits.max_area, "Its largest share.")
    share("max_unsure", limits.max_unsure, "Largest share of a mask that is unsure.")
    share("max_hole", limits.max_hole, "Largest share of a background that is filled.")


def main(args: flags.FlagValues) -> None:
    """Writes the sets that the flags ask for."""
    limits = Limits(args.min_area, args.max_area, args.max_unsure, args.max_hole)
    _require_settings(args)
    source = Encoded(args.data, args.split, data_dir=args.data_dir)
    names = labelled_pictures.classes(args.data, data_dir=args.data_dir).names
    mixed_sets.require_names(names, _kinds(args))
    mask_fn, masker = _masker(args.masker, args.masker_size)
    out = Path(args.out).expanduser()
    with files.whole_folder(out) as folder:
        pictures = masked_pictures.read(
            args.data,
            args.split,
            mask_fn,
            size=args.size,
            num=args.num,
            limits=limits,
            seed=args.seed,
            data_dir=args.data_dir,
        )
        print("\n".join(masked_pictures.table(names, pictures.counts)))
        written = _write(folder, pictures, args, limits)
        receipt = {
            "data": args.data,
            "split": args.split,
            "num_records": len(source),
            "masker": masker,
            "settings": _settings(args),
            "pictures": {
                name: dict(zip(VERDICTS, row, strict=True))
                for name, row in zip(names, pictures.counts.tolist(), strict=True)
            },
            "records": {kind: rows.tolist() for kind, rows in written.items()},
        }
        files.write_text(folder / RECEIPT, json.dumps(receipt) + "\n")
    print(f"wrote {_said(written)} to {out}")


def _kinds(args: flags.FlagValues) -> list[str]:
    return args.kinds.split(",")


def _require_settings(args: flags.FlagValues) -> None:
    images.check_size(args.size)
    require_shading(args.shading)
    for kind in _kinds(args):
        if kind not in mixed_sets.KINDS:
            known = suggestion(kind, mixed_sets.KINDS)
            raise ValueError(f"--kinds: there is no set {kind!r}: {known}")
    if args.num < 1:
        raise ValueError(f"--num={args.num}: it is at least 1")
    for kind, defaults in _FLAGS_OF.items():
        said = [name for name in defaults if getattr(args, name) != defaults[name]]
        if said and kind not in _kinds(args):
            raise ValueError(f"--{said[0]} is of --kinds={kind}: leave it out")
    if args.seed < 0:
        raise ValueError(f"--seed={args.seed}: it is at least 0")
    if args.masker_size < _MIN_MASKER_SIZE:
        raise ValueError(f"--masker_size={args.masker_size}: it is at least 32")
    if args.background not in mixed_sets.BACKGROUNDS:
        known = suggestion(args.background, mixed_sets.BACKGROUNDS)
        raise ValueError(f"--background={args.background}: {known}")


def _masker(folder: str, size: int) -> tuple[Callable, dict]:
    """The network as a function of uint8 pictures, and what is said of it."""
    place = Path(folder).expanduser()
    variables = imported.load(place, names=CHANNELS)
    receipt = imported.about(place)
    network = u2net.U2Net(CHANNELS[receipt["name"]], folded=True)

    @jax.jit
    def mask_fn(pictures: np.ndarray) -> jax.Array:
        scaled = jnp.asarray(pictures, jnp.float32) / 127.5 - 1
        return u2net.masks(network, variables, scaled, size=size)[..., 0]

    return mask_fn, {"name": receipt["name"], "sha256": receipt["weights"]["sha256"]}


def _write(
    folder: Path, pictures: MaskedPictures, args: flags.FlagValues, limits: Limits
) -> dict[str, np.ndarray]:
    """Which records were mixed, of each kind."""
    settings = {"num": args.num, "seed": args.seed}
    written = {}
    if "cue_conflict" in _kinds(args):
        written["cue_conflict"] = mixed_sets.write_cue_conflicts(
            folder / "cue_conflict",
            pictures,
            shading=args.shading,
            background=args.background,
            **settings,
        )
    if "backgrounds" in _kinds(args):
        written["backgrounds"] = mixed_sets.write_backgrounds(
            folder / "backgrounds", pictures, max_hole=limits.max_hole, **settings
        )
    return written


def _settings(args: flags.FlagValues) -> dict:
    names = ("kinds", "size", "num", "seed", "masker_size", "shading", "background")
    names += ("min_area", "max_area", "max_unsure", "max_hole")
    return {name: getattr(args, name) for name in names}


def _said(written: dict[str, np.ndarray]) -> str:
    texts = {"cue_conflict": "cue conflicts", "backgrounds": "objects before three"}
    return " and ".join(f"{len(rows)} {texts[kind]}" for kind, rows in written.items())
