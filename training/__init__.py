"""Training and evaluation of MSR models, headless."""
