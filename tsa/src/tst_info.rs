//! `TSTInfo` (RFC 3161 §2.4.2): the statement that is signed.
//!
//! `ordering` is never there (DER does not encode its default FALSE, and we do not claim TRUE), extensions are never
//! critical, and nothing says who asked.

use hex_literal::hex;

use crate::gen_time::GeneralizedTime;
use crate::profile::{Etsi, Grant, ProfileConfig};
use crate::serial::Serial;
use attestamp_strict_der::{INTEGER_1, element, element_length, push_element, push_header, tag};

/// `qcStatements` (1.3.6.1.5.5.7.1.3), not critical, with one statement: esi4-qtstStatement-1 (0.4.0.19422.1.1).
/// EN 319 422 §9.1 and annex B.
const QUALIFIED_EXTENSION: [u8; 27] = hex!("3019 0608 2b06010505070103 040d 300b 3009 0607 04008197 5e0101");

/// The parts of every TSTInfo of one TSU that never change, encoded once.
#[derive(Debug)]
pub(crate) struct TstInfoConstants {
    accuracy: Vec<u8>,
    /// `tsa` and `extensions`: what follows the nonce.
    tail: Vec<u8>,
}

/// What one token says. It knows its length first, so that it is written into a buffer of the right size.
#[derive(Debug)]
pub(crate) struct TstInfo<'a> {
    constants: &'a TstInfoConstants,
    grant: &'a Grant<'a>,
    serial: &'a Serial,
    gen_time: GeneralizedTime,
}

impl TstInfoConstants {
    /// `subject` is the `Name` of the TSU's certificate.
    pub(crate) fn new(config: &ProfileConfig, subject: &[u8]) -> Self {
        let mut tail = Vec::new();
        if config.include_tsa_name {
            // [0] EXPLICIT GeneralName, of which directoryName is [4] EXPLICIT as well: Name is a CHOICE.
            let directory_name = element(tag::CONTEXT_4, &[subject]);
            tail.extend(element(tag::CONTEXT_0, &[&directory_name]));
        }
        match config.etsi {
            Etsi::Off | Etsi::Etsi => {}
            Etsi::Qualified => tail.extend(element(tag::CONTEXT_1, &[&QUALIFIED_EXTENSION])),
        }
        Self { accuracy: config.accuracy.to_der(), tail }
    }
}

impl<'a> TstInfo<'a> {
    pub(crate) fn new(constants: &'a TstInfoConstants, grant: &'a Grant<'a>, serial: &'a Serial) -> Self {
        Self { constants, grant, serial, gen_time: GeneralizedTime::from_instant(grant.gen_time) }
    }

    /// Octets of the whole encoding.
    pub(crate) fn length(&self) -> usize {
        element_length(self.content_length())
    }

    /// Appends the whole encoding.
    pub(crate) fn push_onto(&self, out: &mut Vec<u8>) {
        push_header(out, tag::SEQUENCE, self.content_length());
        out.extend_from_slice(&INTEGER_1);
        out.extend_from_slice(self.grant.policy.as_der());
        out.extend_from_slice(self.grant.message_imprint.as_der());
        push_element(out, tag::INTEGER, self.serial.as_bytes());
        push_element(out, tag::GENERALIZED_TIME, self.gen_time.as_ref());
        out.extend_from_slice(&self.constants.accuracy);
        if let Some(nonce) = self.grant.nonce {
            push_element(out, tag::INTEGER, nonce);
        }
        out.extend_from_slice(&self.constants.tail);
    }

    fn content_length(&self) -> usize {
        INTEGER_1.len()
            + self.grant.policy.as_der().len()
            + self.grant.message_imprint.as_der().len()
            + element_length(Serial::LENGTH)
            + element_length(self.gen_time.as_ref().len())
            + self.constants.accuracy.len()
            + self.grant.nonce.map_or(0, |nonce| element_length(nonce.len()))
            + self.constants.tail.len()
    }
}
