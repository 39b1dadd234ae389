"""Videos: which of their frames to take as photos."""
