"""Example photos (and, later, the demo application). The photos were rendered by `pointmap.train`."""
