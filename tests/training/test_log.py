"""The log is bookkeeping: damaged lines are left out, the others kept."""

import warnings

import pytest

from causal_jax.training import log


def test_lines_are_read_as_they_were_written(tmp_path):
    log.append(tmp_path, "labels", 2, {"loss": 0.1})
    log.append(tmp_path, "images", 2, {"loss": 1e-30})
    assert log.read(tmp_path) == [
        {"stage": "labels", "step": 2, "loss": 0.1},
        {"stage": "images", "step": 2, "loss": 1e-30},
    ]
    assert log.read(tmp_path / "nowhere") == []


@pytest.mark.parametrize("damage", [b"[1]", b"3", b"\xff\xfe", b'{"step": 2}', b"{"])
def test_damaged_lines_are_left_out_with_a_warning(tmp_path, damage):
    log.append(tmp_path, "labels", 2, {"loss": 0.1})
    path = tmp_path / log.NAME
    path.write_bytes(path.read_bytes() + damage + b"\n")
    log.append(tmp_path, "labels", 4, {"loss": 0.2})
    with pytest.warns(UserWarning, match=r"metrics.jsonl: 1 of 3 lines are damaged"):
        log.trim(tmp_path, "labels", 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [entry["step"] for entry in log.read(tmp_path)] == [2, 4]


def test_a_line_that_a_killed_process_cut_short_is_no_damage(tmp_path):
    log.append(tmp_path, "labels", 2, {"loss": 0.1})
    with (tmp_path / log.NAME).open("a") as file:
        file.write('{"stage": "labels", "st')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [entry["step"] for entry in log.read(tmp_path)] == [2]


def test_a_folder_that_is_gone_is_named_and_not_made_again(tmp_path):
    with pytest.raises(OSError, match="run is gone or was moved") as raised:
        log.append(tmp_path / "run", "labels", 2, {"loss": 0.1})
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()
