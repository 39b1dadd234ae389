"""Entry of a hosted Space (`README.md` beside this says how); on a machine of your own, `pointmap demo` is the same."""

import os

from pointmap.demo.server import Demo, serve

if __name__ == "__main__":
    demo = Demo(model=os.environ.get("POINTMAP_MODEL", "small"), workers=int(os.environ.get("POINTMAP_WORKERS", "1")))
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    print(demo.launch(host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), port=int(port)), flush=True)
    serve(demo)
