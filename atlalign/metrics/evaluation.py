"""All metrics of predicted registrations at once: of one section, or of many in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from atlalign.base import DisplacementField
from atlalign.metrics._annotation_source import annotation_source, require_position
from atlalign.metrics._checks import Fields, as_fields, require_finite, require_same_shape
from atlalign.metrics._warped_annotations import WarpedAnnotations
from atlalign.metrics.fields import angular_error_of, vector_distance_combined
from atlalign.metrics.images import cross_correlation_img, mae_img, mse_img, psnr_img
from atlalign.metrics.mutual_information import mi_img
from atlalign.metrics.overlap import require_depths
from atlalign.metrics.plausibility import corrupted_share
from atlalign.metrics.structural_similarity import ssmi_img

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.plane import Plane

__all__ = ["evaluate", "evaluate_single"]

Field = DisplacementField | NDArray
_IMAGE_METRICS: dict[str, Callable[..., Any]] = {
    "mse_img": mse_img,
    "mae_img": mae_img,
    "psnr_img": psnr_img,
    "ssmi_img": ssmi_img,
    "mi_img": mi_img,
    "cc_img": cross_correlation_img,
}


def evaluate_single(
    deltas_true: Field,
    deltas_pred: Field,
    img_mov: ArrayLike,
    p: Plane | float | None = None,
    avol: NDArray | None = None,
    collapsing_labels: Mapping[str, Any] | None = None,
    deltas_pred_inv: Field | None = None,
    deltas_true_inv: Field | None = None,
    ds_f: int = 4,
    depths: Sequence[int] = (),
    *,
    atlas: Atlas | None = None,
) -> dict[str, float] | tuple[dict[str, float], dict[int, tuple[NDArray, NDArray]]]:
    """Measure a predicted registration of one section in every way.

    Parameters
    ----------
    deltas_true, deltas_pred : DisplacementField or ndarray (h, w, 2)
        True and predicted displacements, moving to registered, px.
    img_mov : array-like, (h, w)
        The moving image: float in [0, 1], or uint8, which is divided by 255. At least 7 x 7 px.
    p : float or Plane, optional
        Where the section lies, in um, or with an atlas its plane. Needed for `depths`.
    avol : ndarray of int, (n_ap, h, w), optional
        The annotation, on planes 25 um apart, as `atlalign.data.annotation_volume` reads it.
    collapsing_labels : dict, optional
        Its hierarchy, as `atlalign.data.segmentation_collapsing_labels` reads it.
    deltas_pred_inv, deltas_true_inv : DisplacementField or ndarray (h, w, 2), optional
        Inverses of the fields, registered to moving, px; by default computed.
    ds_f : int
        Accepted for the sake of older scripts, where it made the inverses coarser; they are now exact.
    depths : sequence of int
        Depths of the hierarchy, 0 the root's, at which the annotations are compared; none by default.
    atlas : Atlas, optional
        The annotation and its hierarchy, instead of `avol` and `collapsing_labels`; for fields of any size.

    Returns
    -------
    metrics : dict of str to float
        Of the images registered by truth and prediction: `mse_img`, `mae_img`, `psnr_img`, `ssmi_img`, `mi_img`,
        `cc_img` (squared correlation). Of the predicted field: `norm`, mean length in px; `corrupted_pixels`, share
        of pixels with a Jacobian below 0; `corrupted_pixels_published`, the share by the definition of the
        publication (see `percent_nonpositive_jacobian`). Of both: `euclidean_distance`, mean distance in px;
        `angular_error` in degrees, weighted by the length of the true displacement. And for each depth d `iou_d` and
        `dice_d`: of the annotation warped onto the section by both inverses, without what lies outside the brain.
    images : dict of int to (ndarray, ndarray), each (h, w)
        Only with `depths`: for each, the annotation on the section by the true and by the predicted field.

    Raises
    ------
    TypeError, ValueError
        If the fields or the image are not as above, of one shape and finite; or `depths` are given without `p` and an
        annotation.

    See Also
    --------
    evaluate : of many sections, in a table.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = atlas.reference_plane(6000)
    >>> true = DisplacementField.generate(section.shape, "affine_simple", rotation=0.1)
    >>> nothing = DisplacementField.generate(section.shape)
    >>> metrics, images = evaluate_single(true, nothing, section, p=6000, atlas=atlas, depths=(0, 4))
    >>> round(metrics["euclidean_distance"], 1), metrics["dice_0"] > metrics["dice_4"]
    (3.7, True)
    >>> images[4][0].shape == section.shape
    True
    """
    true, pred = _as_field(deltas_true, "deltas_true"), _as_field(deltas_pred, "deltas_pred")
    require_same_shape(true, pred)
    image = _as_image(img_mov, true.shape[:2])
    require_depths(depths)
    df_true, df_pred = DisplacementField.from_deltas_xy(true), DisplacementField.from_deltas_xy(pred)
    if len(depths):
        source = annotation_source(atlas, avol, collapsing_labels)
        annotation = source.plane(p, true.shape[:2])
        inverse_true = _inverse(df_true, deltas_true_inv, "deltas_true_inv", ds_f)
        inverse_pred = _inverse(df_pred, deltas_pred_inv, "deltas_pred_inv", ds_f)
    jacobian = df_pred.jacobian
    metrics = _image_metrics(df_true, df_pred, image) | {
        "norm": df_pred.average_displacement,
        "corrupted_pixels": corrupted_share(jacobian, "negative"),
        "corrupted_pixels_published": corrupted_share(jacobian, "published"),
        "euclidean_distance": vector_distance_combined(true[None], pred[None])[0],
        "angular_error": angular_error_of(true[None], pred[None], weighted=True)[0],
    }
    if not len(depths):
        return metrics
    warped = WarpedAnnotations(annotation, source.structures, inverse_true, inverse_pred)
    for name, values in warped.scores(depths).items():
        metrics |= {f"{name}_{depth}": float(value) for depth, value in zip(depths, values, strict=True)}
    return metrics, {depth: warped.at_depth(depth) for depth in depths}


def evaluate(
    y_true: Fields,
    y_pred: Fields,
    imgs_mov: NDArray,
    img_ids: Sequence[int] | NDArray,
    ps: Sequence[float] | NDArray,
    dataset_ids: Sequence[int] | NDArray,
    depths: Sequence[int] = (),
    *,
    avol: NDArray | None = None,
    collapsing_labels: Mapping[str, Any] | None = None,
    atlas: Atlas | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure predicted registrations of many sections: one row a section.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        True and predicted displacements, moving to registered, px.
    imgs_mov : ndarray, (n, h, w)
        The moving images: float in [0, 1], or uint8, which is divided by 255. At least 7 x 7 px.
    img_ids, dataset_ids : sequence of int, (n,)
        Numbers of the sections, the index of the tables, and of the brains.
    ps : sequence of float, (n,)
        Where the sections lie, um.
    depths : sequence of int
        Depths of the hierarchy, 0 the root's, at which the annotations are compared; none by default.
    avol, collapsing_labels, atlas
        The annotation for `depths`, as `evaluate_single` takes it.

    Returns
    -------
    result : pandas.DataFrame
        A column that ends in ``_a`` holds averages, one that ends in ``_pp`` arrays (h, w), one value a pixel. `norm`
        (px) and `jacobian` are of the predicted field, as are `jacobian_nonpositive_pixels_a`, how many pixels have a
        Jacobian of at most 0, and `jacobian_nonpositive_pixels_perc_a`, how many in 100. `vector_distance` (px) and
        `angular_error` (degrees, weighted by the length of the true displacement) compare the fields. `mse_img_a`,
        `mae_img_a`, `psnr_img_a`, `ssmi_img_a`, `mi_img_a` and `cross_correlation_img_a` compare the registered
        images, `iou_depth_d` and `dice_depth_d` the annotations. Besides: `p`, `dataset_id`, `imgs_mov`.
    result_viewable : pandas.DataFrame
        The columns that hold numbers.

    Raises
    ------
    TypeError, ValueError
        If the arguments are not as above, as many of each, and finite; or `depths` are given without an annotation.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> sections = np.stack([atlas.reference_plane(p) for p in (5000, 6000)])
    >>> still = [DisplacementField.generate(sections.shape[1:])] * 2
    >>> _, table = evaluate(still, still, sections, [10, 11], [5000, 6000], [1, 1], depths=(2,), atlas=atlas)
    >>> table[["p", "vector_distance_a", "mae_img_a", "iou_depth_2"]]
           p  vector_distance_a  mae_img_a  iou_depth_2
    10  5000                0.0        0.0          1.0
    11  6000                0.0        0.0          1.0
    """
    true, pred, imgs_mov = as_fields(y_true, "y_true"), as_fields(y_pred, "y_pred"), np.asarray(imgs_mov)
    lengths = {
        name: len(values)
        for name, values in (
            ("y_true", true),
            ("y_pred", pred),
            ("imgs_mov", imgs_mov),
            ("img_ids", img_ids),
            ("ps", ps),
            ("dataset_ids", dataset_ids),
        )
    }
    if len(set(lengths.values())) != 1:
        received = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise ValueError(f"There must be as many of each as there are sections. Received: {received}.")
    require_same_shape(true, pred)
    shape = true.shape[1:3]
    images = [_as_image(image, shape) for image in imgs_mov]
    require_depths(depths)
    positions = [require_position(p) for p in ps]
    source = annotation_source(atlas, avol, collapsing_labels) if len(depths) else None
    if source is not None:
        source.plane(positions[0], shape)  # so that a volume of another size is refused before any work
    rows = []
    for deltas_true, deltas_pred, image, p, dataset_id in zip(true, pred, images, positions, dataset_ids, strict=True):
        df_true, df_pred = map(DisplacementField.from_deltas_xy, (deltas_true, deltas_pred))
        jacobian = df_pred.jacobian
        distance, distance_pp = vector_distance_combined(deltas_true[None], deltas_pred[None])
        angle, angle_pp = angular_error_of(deltas_true[None], deltas_pred[None], weighted=True)
        row: dict[str, Any] = {
            "norm_a": df_pred.average_displacement,
            "norm_pp": df_pred.norm,
            "jacobian_nonpositive_pixels_a": float(np.count_nonzero(jacobian <= 0)),
            "jacobian_pp": jacobian,
            "p": int(p),
            "dataset_id": int(dataset_id),
            "imgs_mov": image,
            "vector_distance_a": distance,
            "vector_distance_pp": distance_pp,
            "angular_error_a": angle,
            "angular_error_pp": angle_pp,
            "jacobian_nonpositive_pixels_perc_a": 100 * corrupted_share(jacobian, "nonpositive"),
        }
        for name, value in _image_metrics(df_true, df_pred, image).items():
            row["cross_correlation_img_a" if name == "cc_img" else f"{name}_a"] = value
        if source is not None:
            inverses = df_true.pseudo_inverse(), df_pred.pseudo_inverse()
            warped = WarpedAnnotations(source.plane(p, shape), source.structures, *inverses)
            for name, values in warped.scores(depths).items():
                row |= {f"{name}_depth_{depth}": float(value) for depth, value in zip(depths, values, strict=True)}
        rows.append(row)
    result = pd.DataFrame(rows, index=pd.Index(img_ids))
    return result, result.select_dtypes(exclude="object")


def _image_metrics(df_true: DisplacementField, df_pred: DisplacementField, image: NDArray) -> dict[str, float]:
    registered = df_true.warp(image), df_pred.warp(image)
    return {name: float(metric(*registered)) for name, metric in _IMAGE_METRICS.items()}


def _as_field(deltas: Field, name: str) -> NDArray[np.floating]:
    checked = as_fields(deltas, name, single=True)
    if checked.ndim != 3:
        raise ValueError(
            f"{name} must be one field, (h, w, 2). Received: shape {checked.shape}. Use evaluate for many."
        )
    return checked


def _as_image(img_mov: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    image = np.asarray(img_mov)
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"A moving image must be uint8, or float in [0, 1]. Received: {image.dtype}. Scale it first.")
    if image.shape != shape:
        raise ValueError(
            f"A moving image must be (h, w) as the fields are, {shape}. Received: shape {image.shape}. "
            "Take one channel, and resize."
        )
    require_finite(image, "img_mov")
    return image.astype(np.float32) / np.float32(255 if image.dtype == np.uint8 else 1)


def _inverse(df: DisplacementField, given: Field | None, name: str, ds_f: int) -> DisplacementField:
    if given is None:
        return df.pseudo_inverse(ds_f=ds_f)
    deltas = _as_field(given, name)
    if deltas.shape[:2] != df.shape:
        raise ValueError(f"{name} must have the size of the fields, {df.shape}. Received: {deltas.shape[:2]}.")
    return DisplacementField.from_deltas_xy(deltas)
