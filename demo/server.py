"""The whole demo: sessions, workers, page and addresses, joined and launched."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # Gradio asks other hosts when it is imported, otherwise.
