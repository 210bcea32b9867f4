//! The catalog as a model that can be compared: objects, differences, fingerprints.
