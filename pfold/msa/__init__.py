"""Multiple sequence alignments: a3m files, search engines, shards of searches, stores, and pairing by species."""
