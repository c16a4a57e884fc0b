"""Quality of networks by the papers' protocol."""
