"""`python -m pointmap` is the command `pointmap`."""

from pointmap.cli import main

main()
