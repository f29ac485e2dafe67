"""The smallest planners and regularisers that still do their work."""
