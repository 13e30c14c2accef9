"""Estimators for scikit-learn pipelines."""
