"""The table of digit classifiers: its cells, their commands, and its page."""

import types

import pytest

from causal_jax.data.mnist import VARIANTS
from causal_jax.recipes import recipe, registry
from experiments import mnist_page, results, study, table_mnist


def test_every_cell_has_a_config_and_a_generator():
    for drawn in (False, True):
        known = table_mnist.cells(2, drawn=drawn)
        for cell in known.values():
            config = registry.get_config(cell.config)
            assert config.variant in VARIANTS
            assert cell.generator in ("", table_mnist.OFFICIAL, *known)
    assert "official_wildlife" not in table_mnist.cells(drawn=True)


def test_another_set_has_cells_of_its_own():
    known = table_mnist.cells(dataset="fashion_mnist")
    assert not known.keys() & table_mnist.cells().keys()
    assert {cell.generator for cell in known.values()} <= {"", *known}
    args = types.SimpleNamespace(
        textures="", official="", num_seeds=1, together=False, dataset="fashion_mnist"
    )
    name = "fashion_mnist_counterfactual_colored_seed0"
    expected = f"--only={name} --dataset=fashion_mnist"
    assert table_mnist.command(name, known[name], args).endswith(expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("irm_colored", ""),
        ("cgn_wildlife_seed0", " --textures=DIR"),
        ("official_wildlife", " --textures=DIR --official=DIR"),
        ("counterfactual_double_colored_seed2", " --num_seeds=3"),
    ],
)
def test_a_row_says_the_command_that_makes_it(name, options):
    args = types.SimpleNamespace(
        textures="t",
        official="o",
        num_seeds=3,
        together=False,
        dataset="mnist",
    )
    cell = table_mnist.cells(3)[name]
    expected = f"python -m experiments.table_mnist --only={name}{options}"
    assert table_mnist.command(name, cell, args) == expected


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What is trained: lists of (seed, folder) at once, names alone."""
    found = []
    monkeypatch.setattr(results, "FOLDER", tmp_path / "docs" / "results")
    monkeypatch.setattr(
        recipe,
        "train_together",
        lambda configs, folders: found.append(
            [
                (config.seed, folder.name)
                for config, folder in zip(configs, folders, strict=True)
            ]
        ),
    )

    def run_one(args, name):
        found.append(name)
        return {"metrics": {"digits": {}}}

    monkeypatch.setattr(table_mnist, "run_one", run_one)
    return found


def together(folder, **changed):
    """The flags of --together with three seeds."""
    given = {"num_seeds": 3, "textures": "", "dataset": "mnist", "together": True}
    given |= {"only": "", "again": False, "workdir": str(folder)} | changed
    return types.SimpleNamespace(**given)


def test_peers_are_trained_with_their_generators(tmp_path, calls):
    """One call for the missing generators, one for the classifiers of all seeds."""
    (tmp_path / "cgn_colored_seed0").mkdir()
    (tmp_path / "cgn_colored_seed0" / "metrics.json").touch()
    names = [f"counterfactual_colored_seed{seed}" for seed in range(3)]
    table_mnist.run(together(tmp_path), *names)
    generators = ["cgn_colored_seed1", "cgn_colored_seed2"]
    assert calls == [
        [(1, generators[0]), (2, generators[1])],
        *generators,
        list(enumerate(names)),
        *names,
    ]
    calls.clear()
    (tmp_path / names[2]).mkdir()  # started alone: it is resumed alone
    table_mnist.run(together(tmp_path), *names)
    assert calls == names


@pytest.mark.parametrize("is_together", [True, False])
def test_unfinished_seeds_of_a_cell_are_peers(tmp_path, calls, is_together):
    names = [f"cgn_colored_seed{seed}" for seed in range(3)]
    row = {"command": "", "seconds": {}, "metrics": {}}
    results.write(mnist_page.PREFIX + names[1], row)
    table = table_mnist.STUDY._replace(
        cells=lambda args: [*names, "official_colored"], write_pages=lambda args: None
    )
    study.main(table, together(tmp_path, together=is_together))
    at_once = [[(0, names[0]), (2, names[2])]] if is_together else []
    assert calls == [*at_once, names[0], names[2], "official_colored"]


def test_an_official_checkpoint_is_found(tmp_path):
    with pytest.raises(ValueError, match="give the folder that holds"):
        table_mnist.official_path(str(tmp_path), "colored")
    path = tmp_path / "cgn_colored_MNIST_ckp.pth"
    path.write_bytes(b"")
    assert table_mnist.official_path(str(tmp_path), "colored") == str(path)


def test_the_page_says_what_was_missed(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "docs" / "results")

    def write(cell, accuracy, **config):
        results.write(
            f"{mnist_page.PREFIX}{cell}",
            {
                "command": "x",
                "seconds": {"classifier": 3.0},
                "config": {"variant": "double_colored", "textures": "drawn"}
                | {"train_on": "cgn", "num_counterfactuals": 100_000}
                | config,
                "seed": [0],
                "metrics": {"digits": {"accuracy_t10k": accuracy}},
            },
        )

    for seed, accuracy in enumerate((0.88, 0.9)):
        write(f"counterfactual_double_colored_seed{seed}", accuracy)
    write("official_double_colored", 0.86)
    mnist_page.write()
    page = (tmp_path / "docs/mnist.md").read_text()
    assert "| 2 | 89.00 ± 1.41 |" in page and "88.5: met" in page
    assert "87.9: **missed**" in page


@pytest.mark.parametrize(
    ("read", "diversity", "verdict"),
    [
        ((0.98, 0.98), 0.9, "0.97, 0.8: met |"),
        ((0.96, 0.99), 0.9, "0.97, 0.8: met (read less: 1 of 2) |"),
        ((0.95, 0.98), 0.9, "0.97, 0.8: **missed** (read less: 1 of 2) |"),
        ((0.98, 0.98), 0.7, "0.97, 0.8: **missed** |"),
    ],
)
def test_the_page_says_whether_masks_are_what_they_should(read, diversity, verdict):
    rows = [
        {
            "cell": f"{mnist_page.PREFIX}cgn_colored_seed{seed}",
            "seconds": {"model": 3.0},
            "config": {"variant": "colored", "textures": "drawn", "num_steps": 1},
            "metrics": {
                "digits": {
                    "mask_mean": 0.1,
                    "mask_readability": one,
                    "mask_diversity": diversity,
                    "reader_accuracy": 0.98,
                }
            },
        }
        for seed, one in enumerate(read)
    ]
    assert verdict in mnist_page.markdown(rows)
