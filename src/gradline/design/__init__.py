"""A block's operator between coefficients and linear predictors: dense, categorical, stacked."""
