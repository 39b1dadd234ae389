"""Ports for servers of tests, which run side by side: Gradio's own search can give one port to two of them."""

import socket


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
