"""One module is one spark-submit: arguments at the door, pure functions behind it, `main() -> int`."""
