"""What is trained: a network, the pictures it is shown, its loss, and how it is watched.

`task` is the protocol that `run` asks, `settings` what all tasks have in common. A task is a module
NAME here, its settings in NAME_settings as `Config`, and its name in `TASKS`.
"""

TASKS = (
    "hdrcnn",
    "camera_curve",
    "fusion_unsupervised",
    "fusion_supervised",
    "exposure_stack",
    "exposure_gan",
    "film",
)
"""In the order in which help names them; the first is the default."""
