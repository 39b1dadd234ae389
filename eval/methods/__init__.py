"""Methods, by name: see `method.py` for what one is."""
