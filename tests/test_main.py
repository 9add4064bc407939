"""The command line: what is said where a command stands alone."""

import pytest

from ifdd.__main__ import COMMANDS, main


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "info"])
def test_a_command_alone_says_what_it_lacks_in_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command])
    error = capsys.readouterr().err
    assert error.startswith(f"ifdd {command}: ")
    assert error.count("\n") == 1


def test_info_alone_lists_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    main(["info"])
    assert "ifdd_tiny" in capsys.readouterr().out
