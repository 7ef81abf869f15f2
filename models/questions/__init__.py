"""Sets of questions about photos, made by rule or taken from a package. Nothing in here needs torch."""
