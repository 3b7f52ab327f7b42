"""`causal-jax import`: what it writes and says, and mistakes in one line."""

import jax
import numpy as np
import pytest

from causal_jax.cli import import_weights
from causal_jax.cli.command_line import one_line_errors
from causal_jax.importers import imported, u2net
from tests.importers import parity


@pytest.fixture
def narrow(monkeypatch, tmp_path):
    """A file of a narrow network that goes by U2-NetP's name."""
    monkeypatch.setitem(u2net.CHANNELS, "u2netp", parity.U2NET_CHANNELS)
    return parity.unpacked("u2net.onnx", tmp_path)


def test_a_file_becomes_a_folder_of_variables(narrow, flags_of, tmp_path, capsys):
    out = tmp_path / "weights" / "u2netp"
    import_weights.main(
        flags_of(
            import_weights, **{"from": str(narrow), "as": "u2netp", "out": str(out)}
        )
    )
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"imported: {out} (u2netp, 9,537 numbers)"
    assert "U2Net(u2net.SMALL, folded=True)" in said[1]
    expected = u2net.load(narrow, "u2netp")
    found = imported.load(out, names=["u2netp"])
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"as": "u2nep"}, "import: there is no importer 'u2nep': did you mean 'u2ne"),
        ({"as": "u2net"}, "import: .*u2net.onnx does not hold u2net: "),
        ({"from": "none.onnx"}, "import: there is no file none.onnx"),
        ({"as": "vgg16"}, "import: .*is no checkpoint of PyTorch"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    narrow, flags_of, tmp_path, values, message
):
    out = tmp_path / "out"
    given = {"from": str(narrow), "as": "u2netp", "out": str(out), **values}
    with (
        pytest.raises(SystemExit, match=message) as error,
        one_line_errors("import"),
    ):
        import_weights.main(flags_of(import_weights, **given))
    assert "\n" not in str(error.value) and not out.exists()


def test_neither_its_source_nor_a_run_is_replaced(flags_of, tmp_path):
    source = tmp_path / "weights.safetensors"
    source.write_bytes(b"of somebody else")
    given = {"from": str(source), "as": "u2netp", "out": str(tmp_path)}
    with pytest.raises(ValueError, match="would replace --from: name another folder"):
        import_weights.main(flags_of(import_weights, **given))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    given["out"] = str(tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run: name another folder"):
        import_weights.main(flags_of(import_weights, **given))
    assert source.read_bytes() == b"of somebody else"


def test_the_command_goes_by_its_own_name(python_m, assert_one_line):
    done = python_m("causal_jax.cli", "import", "--from=x", "--as=u2nep", "--out=y")
    assert_one_line(done, "import: there is no importer 'u2nep'")
    done = python_m("causal_jax.cli", "import", "--help")
    assert done.returncode == 0 and "resnet50" in done.stdout
