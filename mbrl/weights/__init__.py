"""How the weight of a penalty is chosen: by the gap of planned returns, or by familiarity."""
