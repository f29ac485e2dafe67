"""Planned against realised returns, open loop and error decomposition of trained agents."""
