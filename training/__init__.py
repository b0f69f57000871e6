"""Teachers, students and the way from one to the other (PyTorch)."""
