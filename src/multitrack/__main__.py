"""``python -m multitrack``: the command, where its script is not on the path."""

from multitrack.cli import main

main(prog_name="multitrack")
