//! The embedded token as a shared library, so that `pkcs11-tool --module` and others can open the same token:
//! `KRYOPTIC_CONF=DIR/token/token.sql pkcs11-tool --module libattestamp_module.so -O`.
//!
//! A package of its own: a library that is also a `cdylib` has one file name for all selections of features, which
//! builds of different selections would overwrite for each other.

pub use attestamp_token::keep_linked;
