"""Array annotations: jaxtyping where it is installed, harmless stand-ins otherwise.

`Float[Tensor, "h w 3"]` documents a shape everywhere, and is checked while the tests run. A bare
environment without jaxtyping only loses the check.
"""

try:
    from jaxtyping import Bool, Float, Int, Shaped, UInt8
except ImportError:

    class _Annotation:
        def __class_getitem__(cls, array_and_shape: tuple[object, str]) -> object:
            return array_and_shape[0]

    class Bool(_Annotation):  # type: ignore[no-redef]
        """Stand-in for `jaxtyping.Bool`."""

    class Float(_Annotation):  # type: ignore[no-redef]
        """Stand-in for `jaxtyping.Float`."""

    class Int(_Annotation):  # type: ignore[no-redef]
        """Stand-in for `jaxtyping.Int`."""

    class Shaped(_Annotation):  # type: ignore[no-redef]
        """Stand-in for `jaxtyping.Shaped`."""

    class UInt8(_Annotation):  # type: ignore[no-redef]
        """Stand-in for `jaxtyping.UInt8`."""


__all__ = ["Bool", "Float", "Int", "Shaped", "UInt8"]
