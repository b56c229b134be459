"""The policy pack: what holds for every container, whatever program declares it."""
