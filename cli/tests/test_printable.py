import pytest
from amas_cli.output.printable import printable, shortened


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\u{001b}[2Jgone"),
        ("a\rb", "a\\rb"),
        ("safe\u202etxt.exe", "safe\\u{202e}txt.exe"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("\x9b31m", "\\u{009b}31m"),
        ("line\u2028end", "line\\u{2028}end"),
        ("lone\ud800", "lone\\u{d800}"),
    ],
)
def test_text_from_outside_cannot_steer_the_terminal(hostile: str, shown: str) -> None:
    """An approver sees what is there, not what it paints over."""
    assert printable(hostile) == shown


def test_ordinary_text_is_untouched() -> None:
    """Other scripts and signs are not mistaken for attacks."""
    assert printable("Grüße, 世界 ✓") == "Grüße, 世界 ✓"
    assert printable("a\nb\tc", multiline=True) == "a\nb\tc"
    assert printable("a\nb") == "a\\nb"


def test_a_short_line_says_that_it_was_cut() -> None:
    """Nobody takes a part for the whole."""
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"
