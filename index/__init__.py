"""What the service remembers: the catalogue (SQL), the blobs, the vector index and the query algebra.

Nothing here knows what made a vector; there is no torch in this room.
"""
