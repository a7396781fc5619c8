"""Figures of the notebooks: functions of numbers that return a figure, and their digest."""
