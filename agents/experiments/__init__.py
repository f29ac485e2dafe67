"""The laboratory: studies that a user of the agent never has to open."""
