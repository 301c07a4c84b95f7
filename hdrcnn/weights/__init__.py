"""Weights files: named arrays with a record beside them."""
