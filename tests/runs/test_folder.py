import json

import pytest

from causal_jax.runs import folder


def test_text_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "b.txt"
    folder.write_text(path, "one")
    with pytest.raises(TypeError):
        folder.write_text(path, None)
    assert path.read_text() == "one"


def test_a_claimed_folder_keeps_its_configuration(tmp_path):
    config = {"seed": 0, "hidden": [4], "data_dir": "here"}
    workdir = folder.claim(tmp_path / "run", config)
    assert folder.read_config(workdir) == config
    moved = config | {"data_dir": "there"}
    assert folder.claim(workdir, moved, places=("data_dir",)) == workdir
    for other in (moved | {"data_dir": "elsewhere"}, {"seed": 1, "hidden": [4]}):
        with pytest.raises(ValueError, match="holds another config's run") as raised:
            folder.claim(workdir, other)
        assert "\n" not in str(raised.value)
    assert folder.read_config(workdir) == moved


@pytest.mark.parametrize("damage", ["{", "[1, 2]", "3"])
def test_a_damaged_configuration_is_refused(tmp_path, damage):
    (tmp_path / "config.json").write_text(damage)
    with pytest.raises(ValueError, match="config.json is damaged") as raised:
        folder.read_config(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_configuration_holds_no_run(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        folder.read_config(tmp_path)


def test_seconds_of_interrupted_calls_add_up(tmp_path):
    assert folder.read_seconds(tmp_path) == {}
    folder.add_seconds(tmp_path, "labels", 1.5)
    folder.add_seconds(tmp_path, "images", 4.0)
    found = folder.add_seconds(tmp_path, "labels", 0.5)
    assert found == folder.read_seconds(tmp_path) == {"labels": 2.0, "images": 4.0}
    assert json.loads((tmp_path / "seconds.json").read_text()) == found
