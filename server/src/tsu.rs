//! One running TSU.
