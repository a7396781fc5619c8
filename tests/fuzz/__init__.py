"""Hostile files, arguments and histories, made from seeds."""
