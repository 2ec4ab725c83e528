//! How much of a bundle is read. A bundle of a hundred TSUs with both chains has 4 MB in 400 files.

/// Most octets of a bundle.
pub const MAX_BUNDLE_OCTETS: usize = 8 << 20;
/// Most octets of one file of a bundle: a post-quantum certificate in PEM has about 10 000, vendor evidence less.
pub const MAX_FILE_OCTETS: usize = 1 << 20;
/// Most files of a bundle.
pub const MAX_FILES: usize = 1024;
/// Most keys of a bundle: each is verified under both chains.
pub const MAX_KEYS: usize = 256;
/// Most certificates in one file of a bundle: chains have two to four.
pub const MAX_CHAIN_LENGTH: usize = 8;
