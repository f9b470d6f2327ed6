"""``python -m multitrack``: the command, where its script is not on the path."""

from multitrack.cli.app import main

main(prog_name="multitrack")
