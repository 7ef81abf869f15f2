"""What the service knows: encoders, their training, their weights and their evaluation.

Importing this package imports neither torch nor open_clip; :func:`models.registry.load_encoder` does.
"""
