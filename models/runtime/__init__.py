"""What computes an encoder's networks: torch, or OpenVINO on a CPU. Importing this package imports neither."""
