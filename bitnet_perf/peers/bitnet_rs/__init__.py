"""BitNet.rs crates: oracles of their codecs, and the check against their recorded outputs."""
