"""The screen: shows a session and forwards what a person decides. It owns no rule, no probe, no shell text."""
