"""What the scenarios share: processes pinned to cores and what they use, loads, mock upstreams, guards, tables."""
