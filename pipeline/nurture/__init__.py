"""Keeping warm leads warm: `plans` are written, leads `enrol`, `running` does what is due, `mails` are what they read."""
