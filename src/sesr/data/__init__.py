"""Training and evaluation pictures: pairs, planes, crops."""
