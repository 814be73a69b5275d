"""Where rows come from: recordings, Lab Streaming Layer, Cortex, boards that BrainFlow knows."""
