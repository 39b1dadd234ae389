"""What visitors see: photos and settings on the left, tabs of the scene on the right. `build.py` joins the two."""
