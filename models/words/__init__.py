"""Names of ingredients and their vectors. Nothing in here needs torch."""
