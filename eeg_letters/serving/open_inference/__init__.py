"""The Open Inference Protocol, known as V2, in its REST form."""
