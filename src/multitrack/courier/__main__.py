"""``python -m multitrack.courier``: the courier as a process."""

from multitrack.courier.loop import main

if __name__ == "__main__":
    main()
