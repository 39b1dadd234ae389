"""Posed depth maps become surfaces: which pixels to trust, the coloured cloud, the mesh and its texture."""
