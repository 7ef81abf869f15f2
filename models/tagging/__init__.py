"""Tags of a photo, as a function of its joint vector. Nothing in here needs torch."""
