"""Pictures of fields, images and annotations. `DisplacementField` draws itself: its methods ``plot_*``."""

from atlalign.visualization.animation import create_animation
from atlalign.visualization.fields import generate_df_plots
from atlalign.visualization.images import create_grid, create_segmentation_image
from atlalign.visualization.prediction import chain_predict

__all__ = ["chain_predict", "create_animation", "create_grid", "create_segmentation_image", "generate_df_plots"]
