"""A segmentation of one picture after every mark, from features that were computed once, before any training."""
