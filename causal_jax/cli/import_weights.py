"""Imports other people's weights: checks a file and writes it in this library's layout.

    causal-jax import --from=u2netp.onnx --as=u2netp --out=DIR

reads a weight file without running anything in it, checks every tensor's name and shape
against the network, and writes DIR/weights.safetensors and DIR/import.json (what it is,
of which file, with checksums). In Python:

    variables = causal_jax.importers.imported.load("DIR")

--as is one of

{names}

Weights are under their authors' licences, which this library does not change.
"""

from pathlib import Path

from absl import flags

from causal_jax.cli import assignments
from causal_jax.importers import imported, registry
from causal_jax.runs import folder

__doc__ = __doc__.replace(
    "{names}",
    "\n".join(
        f"    {name:16s} {found.files}" for name, found in registry.IMPORTERS.items()
    ),
)


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("from", None, "The weight file.", required=True)
    flags.DEFINE_string("as", None, "What it is: u2netp, resnet50, ...", required=True)
    flags.DEFINE_string("out", None, "Folder to write, made if missing.", required=True)


def main(args: flags.FlagValues) -> None:
    """Imports the file that the flags name."""
    name, source = getattr(args, "as"), Path(getattr(args, "from")).expanduser()
    out = Path(args.out).expanduser()
    if folder.is_run(out):
        raise ValueError(f"--out={out} holds a run: name another folder")
    if source.resolve() == (out / imported.WEIGHTS).resolve():
        raise ValueError(f"--out={out} would replace --from: name another folder")
    variables = registry.load(name, source)
    receipt = imported.save(out, variables, name=name, source=source)
    print(f"imported: {out} ({name}, {receipt['num_values']:,} numbers)")
    if name == "cgn-imagenet":  # a whole model: commands open it
        where = assignments.as_flag("workdir", out)
        print(f"Next: causal-jax sheet {where} --kind=parts --out=parts.png")
        return
    network = registry.importer_of(name).network
    print(f"Next: variables = imported.load({str(out)!r}), for {network}")
