"""The real service in a process of its own, with the shipped weights, over real HTTP."""
