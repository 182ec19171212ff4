"""`amas` and `python -m amas_cli`."""

from .app import build


def main() -> None:
    """Run one command; exits with its code (see exit_codes.py)."""
    build()()


if __name__ == "__main__":
    main()
