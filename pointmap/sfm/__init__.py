"""Structure from motion by COLMAP (pycolmap): its database, its mappers, its bundle adjustment, its models."""
