"""Tastespace: one joint embedding space for food, as a web service.

Importing this package never imports torch: only an engine lane that is started with a model does.
"""

__version__ = "0.1.0"
