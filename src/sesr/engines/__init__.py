"""Engines that run a network on luma or pictures."""
