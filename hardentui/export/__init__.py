"""Findings and plans in other forms: JSON for programs, plain text for people without a screen."""
