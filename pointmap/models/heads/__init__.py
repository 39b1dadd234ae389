"""Heads: from tokens to maps of the image's size, and from raw values to points, confidences and descriptors."""
