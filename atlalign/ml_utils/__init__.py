"""What Keras sees: data, layers, losses and models. Written in `keras.ops`, for every Keras backend."""
