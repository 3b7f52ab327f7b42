"""Prepares real data once; training then reads it without TensorFlow.

    causal-jax prepare --dataset=mnist --data_dir=DIR
    causal-jax prepare --dataset=celeb_a --data_dir=DIR --manual_dir=FILES

fetches the public files into DIR/downloads, or takes them from FILES where you put them
by hand, and writes DIR/celeb_a/2.1.0 in tensorflow-datasets' layout (array_record).
Afterwards name DIR with --config.data_dir, or once with `export TFDS_DATA_DIR=DIR`.

celeb_a, imagenet2012, mnist, fashion_mnist and kmnist need no TensorFlow. Any other
data set of tensorflow-datasets works by its name (emnist/balanced), by that library's
own code, which for some needs TensorFlow once: `pip install tensorflow`.

CelebA's public link often refuses. Fetch these from its page by hand,
http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, and use --manual_dir:

    img_align_celeba.zip              the pictures, zipped or as a folder
    list_attr_celeba.txt              plain, .gz or .zip, as the following ones
    list_eval_partition.txt
    list_landmarks_align_celeba.txt   optional, zeros without it
    identity_CelebA.txt               optional, zeros without it

For imagenet2012, which has to be fetched by hand (image-net.org, registered; for
research): ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar.
For mnist and its kin: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,
t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, gzipped or not.
CelebA is for non-commercial research only.
"""

import signal
import sys

from absl import flags

from causal_jax.data import originals, tfds


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("dataset", None, "celeb_a, mnist, ...", required=True)
    flags.DEFINE_string("data_dir", None, "Where data sets lie; else $TFDS_DATA_DIR.")
    flags.DEFINE_string("manual_dir", None, "Files fetched by hand; else downloads.")


def main(args: flags.FlagValues) -> None:
    """Prepares the data set that the flags name."""
    # A plain kill becomes an ordinary exit, so that what is half-written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    is_there = tfds.is_prepared(args.dataset, args.data_dir)
    path = originals.prepare(
        args.dataset, data_dir=args.data_dir, manual_dir=args.manual_dir
    )
    print(f"{'already prepared' if is_there else 'prepared'}: {path}")
    print(next_step(args.dataset, args.data_dir))


def next_step(dataset: str, data_dir: str | None) -> str:
    """How to train on it."""
    if "imagenet" in dataset:
        return f"Next: export TFDS_DATA_DIR={tfds.data_root(data_dir)}"
    config = "celeba_causal_gan" if "celeb" in dataset else "mnist_cgn"
    place = f" --config.data_dir={data_dir}" if data_dir else ""
    return (
        f"Next: causal-jax train --config={config} --config.dataset={dataset}{place} "
        "--workdir=DIR"
    )
