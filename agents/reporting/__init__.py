"""How a run is concluded: HTML report, learning curve, comparison and film."""
