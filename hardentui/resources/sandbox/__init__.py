"""The sandbox of one service: systemd's directives, what each would break, the exposure that they leave."""
