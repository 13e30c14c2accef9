"""What follows from a fit's derivatives: standard errors, tests, intervals, leave-one-out errors and diagnostics, for any loss."""
