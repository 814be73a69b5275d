"""Report: an HTML report and a model card of each training."""
