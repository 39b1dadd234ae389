"""Scripts behind single figures of the documentation: each compares two ways of one thing, and prints a table."""
