"""Technical noise of ChIP-seq counts."""
