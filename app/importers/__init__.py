"""Importers: one reader a format, and :mod:`app.importers.run`, which stores what they read."""
