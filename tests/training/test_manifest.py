"""A manifest knows every file of its folder to the bit."""

import pytest

from causal_jax.training import manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state" / "d").mkdir(parents=True)
    (tmp_path / "state" / "d" / "0f").write_bytes(bytes(range(256)))
    (tmp_path / "_METADATA").write_text("{}")
    (tmp_path / "empty").write_bytes(b"")
    manifest.write(tmp_path)
    return tmp_path


def test_an_untouched_folder_is_intact(folder):
    assert manifest.exists(folder) and manifest.damage(folder) == ""


def test_every_flipped_bit_is_noticed(folder):
    path = folder / "state" / "d" / "0f"
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 37):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert manifest.damage(folder) == "state/d/0f has other bytes than were written"
    path.write_bytes(whole)
    assert manifest.damage(folder) == ""


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("_METADATA", b"{", "_METADATA has 1 bytes instead of 2"),
        ("_METADATA", None, "_METADATA is missing"),
        ("empty", b"x", "empty has 1 bytes instead of 0"),
        ("more", b"", "more is not in manifest.json"),
        ("manifest.json", None, "manifest.json is missing"),
        ("manifest.json", b"[]", "manifest.json is damaged (it holds a list, "),
        ("manifest.json", b"\xff", "manifest.json is damaged (no UTF-8 text from"),
        ("manifest.json", b"{}", "manifest.json is damaged (it names no files)"),
        ("manifest.json", b'{"files": {"_METADATA": 3}}', "empty is not in"),
    ],
)
def test_damage_is_named_by_file_and_kind(folder, name, content, kind):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert manifest.damage(folder).startswith(kind)


def test_a_link_that_leads_nowhere_is_a_file_that_cannot_be_read(folder):
    (folder / "empty").unlink()
    (folder / "empty").symlink_to(folder / "nowhere")
    assert manifest.damage(folder).startswith("empty cannot be read")
