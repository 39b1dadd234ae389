"""Ways of scoring. Each file names the source of its protocol."""
