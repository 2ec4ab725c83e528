//! The issuing side as a whole: what goes in as a request comes out as a reply that others verify.
//!
//! The keys and certificates are made, and the signatures computed, by the `openssl` command line, so that nothing of
//! ours judges its own work. Post-quantum ones, which the `openssl` of Debian 12 does not know, are made by `ml-dsa` and
//! `slh-dsa`.

#[cfg(test)]
mod cms_round_trip;
#[cfg(test)]
mod openssl_cli;
#[cfg(test)]
mod post_quantum;
#[cfg(test)]
mod post_quantum_tsu;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod test_tsu;
