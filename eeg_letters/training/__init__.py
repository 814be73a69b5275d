"""Training: pipelines, fits, calibration, compilation and evaluation."""
