"""Loss functions of the trainings: pure functions."""
