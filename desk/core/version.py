"""The program's version; ``pyproject.toml`` has the same, a test compares them."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
