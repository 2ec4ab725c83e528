//! A request that is encoded once and then only changed in place, so that making one costs next to nothing.
//!
//! Each request has its own hash value and nonce: a server that answered from a cache, or mixed up two clients, would
//! be seen.

use attestamp_certs::HashAlgorithm;
use attestamp_tsa::HashLengthMismatch;
use bytes::Bytes;

use crate::client::query::{Nonce, Query};

/// The request, and where in it the parts that change are.
#[derive(Debug, Clone)]
pub struct RequestTemplate {
    der: Vec<u8>,
    query: Query,
    imprint_at: usize,
    nonce_at: usize,
}

/// One request and what its token must match.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    /// The request in DER.
    pub body: Bytes,
    /// What its token must match.
    pub query: Query,
}

impl RequestTemplate {
    /// Encodes the request once.
    ///
    /// # Errors
    /// None in practice: the hash value is made with the hash.
    pub fn new(hash: HashAlgorithm, certificates: bool) -> Result<Self, HashLengthMismatch> {
        let nonce = Nonce::new(0);
        let imprint = hash.digest(b"attestamp bench");
        let query = Query { hash, imprint, policy: None, nonce: Some(nonce), certificates };
        let der = query.to_der()?;
        let imprint_at = position(&der, imprint.as_ref());
        let nonce_at = position(&der, nonce.content());
        Ok(Self { der, query, imprint_at, nonce_at })
    }

    /// The request number `number`: hash value and nonce are the number's own.
    #[must_use]
    pub fn request(&self, number: u64) -> PreparedRequest {
        let nonce = Nonce::new(number);
        let mut query = self.query.clone();
        query.imprint = self.query.hash.digest(nonce.content());
        query.nonce = Some(nonce);
        let mut der = self.der.clone();
        overwrite(&mut der, self.imprint_at, query.imprint.as_ref());
        overwrite(&mut der, self.nonce_at, nonce.content());
        PreparedRequest { body: der.into(), query }
    }
}

/// Where `part` stands in `whole`, which was made to hold it.
fn position(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).unwrap_or(whole.len())
}

fn overwrite(whole: &mut [u8], at: usize, part: &[u8]) {
    for (to, from) in whole.iter_mut().skip(at).zip(part) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_template_is_the_request_encoded_anew() {
        for hash in HashAlgorithm::OF_DATA {
            let template = RequestTemplate::new(hash, true).unwrap();
            for number in [0, 1, 255, u64::MAX] {
                let request = template.request(number);
                assert_eq!(request.body, request.query.to_der().unwrap(), "{hash:?} {number}");
            }
            assert_ne!(template.request(1).body, template.request(2).body);
        }
    }
}
