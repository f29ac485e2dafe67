"""Gymnasium episodes, spaces, and rewards and dynamics that are known in closed form."""
