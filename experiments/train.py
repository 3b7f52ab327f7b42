r"""Trains a causal generative model: labels first, then (if the config says so) images.

    python -m experiments.train --config=experiments/configs/faces_causal_gan.py \
        --workdir=runs/faces

A variant follows the config's name after a colon (`...labels.py:mle`; `:quicktest`
runs two steps of everything), and every key can be overridden after it:
`--config.seed=3 --config.num_steps=2000`. The same command resumes an interrupted run.

Digits whose colours tell the class, a counterfactual generative network of them and
an invariant classifier of its pictures: ...configs/mnist_cgn.py:double_colored, then
...configs/mnist_classifier.py:double_colored with --config.generator=DIR (also
`colored` and `wildlife`; each config file says its variants).

Your own data: a CSV table (header = label names) and a graph file ("A -> B" a line),

    python -m experiments.train --config=experiments/configs/table.py \
        --config.table=people.csv --config.graph=people.txt --workdir=runs/people

and with pictures named in the table's first column: --config.images=FOLDER.
Then: python -m experiments.evaluate --workdir=DIR, python -m experiments.sample --help.
"""

from absl import flags
from ml_collections import config_flags

from experiments import cgn_stage, classifier_stage, command_line, stages

TRAIN = {
    "labels": stages.train,
    "images": stages.train,
    "cgn": cgn_stage.train,
    "classifier": classifier_stage.train,
}
# Runs that differ in their seed, at once.
TRAIN_TOGETHER = {
    "cgn": cgn_stage.train_together,
    "classifier": classifier_stage.train_together,
}


def main(argv: list[str]) -> None:
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("train"):
        config = flags.FLAGS.config
        cgn_stage.require_one_of("stage", config.stage, TRAIN)
        TRAIN[config.stage](config, flags.FLAGS.workdir)


if __name__ == "__main__":
    config_flags.DEFINE_config_file(
        "config", None, "experiments/configs/NAME.py[:variant]", lock_config=True
    )
    flags.DEFINE_string("workdir", None, "Folder of the run; made if missing.")
    flags.mark_flags_as_required(["config", "workdir"])
    command_line.run(main)
