"""The screen: shows a session and forwards what a person decides. No rule, no probe, no shell text."""
