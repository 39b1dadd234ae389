"""Pure functions on transforms, cameras and points: tensors in, tensors out, same device and dtype."""
