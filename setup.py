"""The packages of `hdrcnn` and the weights as one more; pyproject.toml cannot say both."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["hdrcnn", "hdrcnn.*"]), "hdrcnn.shipped"],
    package_dir={"hdrcnn.shipped": "weights"},
)
