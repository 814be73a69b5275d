"""The Open Inference Protocol (V2), in its REST form."""
