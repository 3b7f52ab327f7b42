import json
import time
import unicodedata

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


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", "3", "\xff"])
def test_a_damaged_configuration_is_refused(tmp_path, damage):
    (tmp_path / "config.json").write_text(damage, encoding="latin-1")
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


@pytest.mark.parametrize(
    "damage", [b"", b"[1]", b"3", b'{"labels": "x"}', b'{"labels": -1}', b"\xff", b"{"]
)
def test_damaged_seconds_are_lost_with_a_warning_and_counted_anew(tmp_path, damage):
    (tmp_path / "seconds.json").write_bytes(damage)
    with pytest.warns(UserWarning, match="seconds.json is damaged .*time so far is"):
        assert folder.add_seconds(tmp_path, "labels", 2.0) == {"labels": 2.0}
    assert folder.read_seconds(tmp_path) == {"labels": 2.0}


def test_seconds_count_at_every_checkpoint_and_however_a_block_ends(tmp_path):
    with pytest.raises(KeyboardInterrupt), folder.counted(tmp_path, "labels") as count:
        time.sleep(0.02)
        count()
        first = folder.read_seconds(tmp_path)["labels"]
        time.sleep(0.02)
        raise KeyboardInterrupt
    assert 0.02 <= first <= folder.read_seconds(tmp_path)["labels"] - 0.02


def test_a_folder_says_that_its_checkpoints_have_manifests(tmp_path):
    config = {"seed": 0}
    folder.claim(tmp_path, config)
    assert not folder.is_before_manifests(tmp_path)
    assert folder.read_config(tmp_path) == config
    (tmp_path / "config.json").write_text('{"seed": 0}')
    assert folder.is_before_manifests(tmp_path)
    folder.claim(tmp_path, config)
    assert folder.is_before_manifests(tmp_path), "an old run stays one"
    (tmp_path / "config.json").write_text("{")
    assert not folder.is_before_manifests(tmp_path), "damage does not make it one"


def test_what_a_killed_start_leaves_is_no_other_run_s_and_removed(tmp_path):
    (tmp_path / "lock.json").write_text("{}")
    (tmp_path / f".config.json.{'0a' * 8}.partial").write_text('{"se')
    folder.claim(tmp_path, {"seed": 0})
    assert {p.name for p in tmp_path.iterdir()} == {"lock.json", "config.json"}


def test_a_run_of_before_a_setting_goes_on(tmp_path):
    """It lacks `dtype`, and computed in what is the default of it."""
    folder.claim(tmp_path / "run", {"gan": {"rate": 1.0}})
    folder.claim(tmp_path / "run", {"gan": {"rate": 1.0, "dtype": "float32"}})
    with pytest.raises(ValueError, match="another config's run"):
        folder.claim(tmp_path / "run", {"gan": {"rate": 1.0, "dtype": "bfloat16"}})


def test_a_run_of_before_composites_had_none(tmp_path):
    folder.claim(tmp_path / "run", {"seed": 0})
    folder.claim(tmp_path / "run", {"seed": 0, "composites": []})
    folder.claim(tmp_path / "other", {"seed": 0, "composites": False})
    folder.claim(tmp_path / "other", {"seed": 0, "composites": []})
    with pytest.raises(ValueError, match="composites"):
        folder.claim(tmp_path / "run", {"seed": 0, "composites": ["Male"]})


def test_only_settings_that_a_config_has_are_taken_as_they_were(tmp_path):
    """`reference` pays additivity at no step, digits no generator with settings."""
    before = {"gan": {"rate": 1.0}, "generator": {"width": 4}}
    folder.claim(tmp_path / "run", before)
    folder.claim(tmp_path / "run", before)
    plain = {"gan": {"rate": 1.0}, "generator": {"width": 4, "modulated": False}}
    folder.claim(tmp_path / "run", plain)
    folder.claim(tmp_path / "other", {"gan": {"rate": 1.0}, "generator": {"width": 4}})
    with pytest.raises(ValueError, match="generator"):
        changed = {**plain, "generator": {"width": 4, "modulated": True}}
        folder.claim(tmp_path / "other", changed)
    folder.claim(tmp_path / "named", {"generator": "some.safetensors"})
    folder.claim(tmp_path / "named", {"generator": "some.safetensors"})


def test_a_source_that_has_changed_is_refused(tmp_path):
    table, graph, run = (tmp_path / name for name in ("table.csv", "graph.txt", "run"))
    both = {"table": table, "graph": graph}
    table.write_text("A\n0\n1\n")
    folder.require_sources(run, both)  # nothing is there yet
    folder.claim(run, {"seed": 0})
    folder.keep_sources(run, {"graph": graph})  # a text that is no file
    assert not (run / "sources.json").exists()
    graph.write_text("A")
    folder.keep_sources(run, both)
    folder.require_sources(run, both)
    gone = r"trained with a file \(graph\) that is not where .* its place into .*json"
    with pytest.raises(ValueError, match=gone):
        folder.require_sources(run, {"table": table})
    for path in (graph, table):
        kept = path.read_text()
        path.write_text(kept + "1\n")
        folder.keep_sources(run, both)  # the first is kept
        with pytest.raises(ValueError, match=f"{path.name} is not what .*run was"):
            folder.require_sources(run, both)
        path.write_text(kept)
        folder.require_sources(run, both)


def test_pictures_are_one_source_of_their_names_and_bytes(tmp_path):
    run, pictures = tmp_path / "run", tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.png", "b.png", "other.png"):
        (pictures / name).write_bytes(name.encode())
    named = {"images": folder.Files(pictures, ("a.png", "b.png"))}
    folder.claim(run, {"seed": 0})
    folder.keep_sources(run, named)
    folder.require_sources(run, named)
    (pictures / "other.png").write_bytes(b"of another table")
    (tmp_path / "moved").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "moved" / name).write_bytes(name.encode())
    folder.require_sources(
        run, {"images": folder.Files(tmp_path / "moved", ("a.png", "b.png"))}
    )
    fewer = {"images": folder.Files(pictures, ("a.png",))}
    with pytest.raises(ValueError, match=r"\(1 files .* trained with, 2 files: put"):
        folder.require_sources(run, fewer)
    (pictures / "b.png").write_bytes(b"a.png")
    with pytest.raises(ValueError, match=r"\(2 files .* is not what .*run was trained"):
        folder.require_sources(run, named)


def test_accents_of_pictures_names_do_not_change_them(tmp_path):
    """A folder that was copied from a Mac."""
    run, found = tmp_path / "run", {}
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "Müller.png")
        (tmp_path / form).mkdir()
        (tmp_path / form / name).write_bytes(b"the same")
        found[form] = {"images": folder.Files(tmp_path / form, (name,))}
    folder.claim(run, {"seed": 0})
    folder.keep_sources(run, found["NFD"])
    folder.require_sources(run, found["NFC"])


def test_steps_that_are_left_are_told(tmp_path):
    assert folder.unfinished(tmp_path) == ""
    folder.keep_num_steps(tmp_path, "labels", 1000)
    folder.keep_num_steps(tmp_path, "images", 9000)
    left = "0 of 1,000 steps of labels and 0 of 9,000 steps of images"
    assert folder.unfinished(tmp_path) == left
    (tmp_path / "steps.json").write_text("[")
    with pytest.raises(ValueError, match="steps.json .*: remove it"):
        folder.unfinished(tmp_path)
