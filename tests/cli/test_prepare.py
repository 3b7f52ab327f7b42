import signal

import pytest

from causal_jax.cli import prepare
from causal_jax.cli.command_line import one_line_errors


@pytest.fixture(autouse=True)
def keep_the_signal_handler():
    """`prepare` takes a plain kill for an ordinary exit."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_command_line_says_what_it_did(celeba_files, tmp_path, capsys, flags_of):
    data_dir = tmp_path / "data"
    args = flags_of(
        prepare,
        dataset="celeb_a",
        data_dir=str(data_dir),
        manual_dir=str(celeba_files),
    )
    prepare.main(args)
    prepare.main(args)
    output = capsys.readouterr().out
    assert f"prepared: {data_dir}" in output and "already prepared" in output
    args.data_dir = str(tmp_path / "other")
    args.manual_dir = str(tmp_path / "none")
    with (
        pytest.raises(SystemExit, match="prepare: there is no folder"),
        one_line_errors("prepare"),
    ):
        prepare.main(args)
