"""The covariance of the coefficients: bread, meat, kinds and clusters."""
