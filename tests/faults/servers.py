"""Faults of tracking servers, and many jobs at once on a fresh database."""
