"""Many pictures on many machines: object stores, plans, shards, and Ray. A service of its own is not among them.

A *job* is a plan, which lists the pictures in shards, and a log of each shard, all kept as Parquet next to the results.
Whoever starts processes (a person, Slurm, AWS Batch, Kubernetes) starts shards; Ray may spread one run over a cluster.
"""
