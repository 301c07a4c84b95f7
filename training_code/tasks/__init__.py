"""Training tasks: a network, its training data, its loss, and how its progress is monitored.

`task` is the protocol that `run` uses, `settings` what all tasks have in common. A task is a module
NAME here, with its settings in NAME_settings as `Config`, and its name in `TASKS`.
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
"""Names of the tasks in the order of the help text; the first is the default."""
