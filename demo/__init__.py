"""The demo: a web page (Gradio) on which a stranger's photos become a scene, and three sets of example photos.

`server.py` joins everything; read it first. The photos were rendered by `pointmap.train`.
"""
