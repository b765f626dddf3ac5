"""What the analytics jobs share: how events are read in each of the product's variants."""
