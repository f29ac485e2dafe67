"""Files, values and command lines that must be refused."""
