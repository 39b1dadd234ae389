"""What takes long: one fair line, worker processes that can be stopped at any moment, and what they do."""
