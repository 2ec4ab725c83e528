//! The issuing side as a whole: what goes in as a request comes out as a reply that others verify.
//!
//! The keys and certificates are made, and the signatures computed, by the `openssl` command line, so that nothing of
//! ours judges its own work.

#[cfg(test)]
mod cms_round_trip;
#[cfg(test)]
mod openssl_cli;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod test_tsu;
