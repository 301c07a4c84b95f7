"""What a training minimises: pure functions."""
