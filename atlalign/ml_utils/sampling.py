"""Bilinear sampling of image batches at fractional positions, in `keras.ops`."""

from keras import ops

BORDER_MODES = ("constant", "replicate")


def check_border_mode(border_mode: str) -> str:
    """Return `border_mode`, or raise a ValueError that names the valid ones."""
    if border_mode not in BORDER_MODES:
        raise ValueError(f"border_mode must be one of {', '.join(BORDER_MODES)}. Received: border_mode={border_mode!r}")
    return border_mode


def pixel_grid(shape: tuple[int, int], dtype: str):
    """Return the (x, y) position of each pixel centre of an image of `shape` (h, w): (1, h, w, 2)."""
    height, width = shape
    x, y = ops.meshgrid(ops.arange(width, dtype=dtype), ops.arange(height, dtype=dtype))
    return ops.expand_dims(ops.stack([x, y], axis=-1), 0)


def bilinear_sample(images, points_xy, border_mode: str):
    """Sample each image of a batch at its own positions, differentiably in both arguments.

    Parameters
    ----------
    images : tensor (n, h, w, c)
        What is sampled.
    points_xy : tensor (n, h', w', 2)
        Positions (x, y) in pixels; (0, 0) is the centre of the top-left pixel.
    border_mode : {"constant", "replicate"}
        Outside the image: 0, or the nearest edge value.

    Returns
    -------
    tensor (n, h', w', c)
        The values, of the images' dtype.

    Notes
    -----
    The border agrees with `cv2.remap`: with "constant" a position less than one pixel outside still blends
    the edge pixel with 0.
    """
    height, width, channels = images.shape[1:]
    n = ops.shape(images)[0]
    # Positions far outside or not finite must not overflow the integer cast; one pixel beyond the edge already means
    # "outside" to both border modes.
    low, high = (-1.0, 0.0) if border_mode == "constant" else (0.0, -1.0)
    points_xy = ops.where(ops.isfinite(points_xy), points_xy, low)
    x = ops.clip(points_xy[..., 0], low, width + high)
    y = ops.clip(points_xy[..., 1], low, height + high)
    x0, y0 = ops.floor(x), ops.floor(y)
    fraction_x, fraction_y = x - x0, y - y0

    flat = ops.reshape(images, (-1, channels))
    offset = ops.reshape(ops.arange(n, dtype="int32") * (height * width), (-1, 1, 1))
    result = 0.0
    for step_y, weight_y in ((0, 1 - fraction_y), (1, fraction_y)):
        for step_x, weight_x in ((0, 1 - fraction_x), (1, fraction_x)):
            column, row = x0 + step_x, y0 + step_y
            weight = weight_x * weight_y
            if border_mode == "constant":
                inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
                weight = weight * ops.cast(inside, weight.dtype)
            index = offset + ops.cast(ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1), "int32")
            result = result + ops.expand_dims(weight, -1) * ops.take(flat, index, axis=0)
    return result
