//! Reads a `TSTInfo` as strictly as RFC 3161 §2.4.2 and DER have it: one value has one encoding, every octet is consumed.
//!
//! Several verifiers in use do not check the form of genTime or the range of the accuracy; here they are part of what
//! "valid" means, because two readers of one token must not come to two times.

use attestamp_certs::HashAlgorithm;
use der::DateTime;

use super::MAX_NESTING;
use super::algorithm::read_hash;
use super::invalid::{TokenInvalid, TokenPart};
use crate::accuracy::Accuracy;
use crate::gen_time::UtcInstant;
use crate::policy_oid::PolicyOid;
use attestamp_strict_der::{Element, Oid, Reader, tag};
use attestamp_strict_der::{Malformed, Reason};

/// Content octets of a serial number of 160 bits (RFC 3161 §2.4.2), with the one that keeps it positive.
const MAX_SERIAL_OCTETS: usize = 21;
/// Digits of a fraction of genTime that are read: nanoseconds.
const MAX_FRACTION_DIGITS: usize = 9;
/// Most extensions; none is registered for a TSTInfo beyond ETSI's one.
const MAX_EXTENSIONS: usize = 8;

/// What a token claims.
#[derive(Debug, Clone)]
pub(super) struct Claims<'a> {
    pub(super) policy: PolicyOid,
    pub(super) hash: HashAlgorithm,
    pub(super) hashed_message: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) gen_time: UtcInstant,
    pub(super) accuracy: Option<Accuracy>,
    pub(super) ordering: bool,
    pub(super) nonce: Option<&'a [u8]>,
    /// The `GeneralName` in DER.
    pub(super) tsa: Option<&'a [u8]>,
}

/// Reads the content of `eContent`, whose offsets are those of the whole token.
pub(super) fn read<'a>(content: Reader<'a>) -> Result<Claims<'a>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::TstInfo);
    let mut input = content;
    let tst_info = input.required(tag::SEQUENCE).map_err(malformed)?;
    input.finish().map_err(malformed)?;

    let mut fields = tst_info.reader();
    let version = fields.required(tag::INTEGER).and_then(|version| version.integer()).map_err(malformed)?;
    if version != [1] {
        return Err(TokenInvalid::Version { part: TokenPart::TstInfo, required: 1 });
    }
    let policy = fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
    let policy = PolicyOid::from_oid(Oid::from_element(&policy).map_err(malformed)?);
    let imprint = fields.required(tag::SEQUENCE).map_err(malformed)?;
    let (hash, hashed_message) = read_imprint(&imprint)?;
    let serial = fields.required(tag::INTEGER).and_then(|serial| serial.integer()).map_err(malformed)?;
    if serial.len() > MAX_SERIAL_OCTETS {
        return Err(TokenInvalid::SerialTooLong { found: serial.len() });
    }
    let gen_time = fields.required(tag::GENERALIZED_TIME).map_err(malformed)?;
    let gen_time = read_gen_time(gen_time.content).ok_or(TokenInvalid::GenTime)?;
    let accuracy = match fields.optional(tag::SEQUENCE).map_err(malformed)? {
        Some(accuracy) => Some(read_accuracy(&accuracy)?),
        None => None,
    };
    let ordering = read_default_false(&mut fields).map_err(malformed)?;
    let nonce = match fields.optional(tag::INTEGER).map_err(malformed)? {
        Some(nonce) => Some(nonce.integer().map_err(malformed)?),
        None => None,
    };
    let tsa = match fields.optional(tag::CONTEXT_0).map_err(malformed)? {
        Some(tsa) => Some(read_tsa(&tsa).map_err(malformed)?),
        None => None,
    };
    if let Some(extensions) = fields.optional(tag::CONTEXT_1).map_err(malformed)? {
        check_extensions(&extensions)?;
    }
    fields.finish().map_err(malformed)?;
    Ok(Claims { policy, hash, hashed_message, serial, gen_time, accuracy, ordering, nonce, tsa })
}

fn read_imprint<'a>(imprint: &Element<'a>) -> Result<(HashAlgorithm, &'a [u8]), TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::TstInfo);
    let mut fields = imprint.reader();
    let algorithm = fields.required(tag::SEQUENCE).map_err(malformed)?;
    let value = fields.required(tag::OCTET_STRING).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    let (hash, _) = read_hash(&algorithm, TokenPart::TstInfo)?;
    let found = value.content.len();
    if found != hash.output_length() {
        return Err(TokenInvalid::ImprintLength { hash, found });
    }
    Ok((hash, value.content))
}

fn read_default_false(fields: &mut Reader<'_>) -> Result<bool, Malformed> {
    match fields.optional(tag::BOOLEAN)? {
        Some(flag) if flag.boolean()? => Ok(true),
        Some(flag) => Err(flag.malformed(Reason::EncodedDefault)),
        None => Ok(false),
    }
}

/// `tsa [0] GeneralName`: explicit, since GeneralName is a CHOICE.
fn read_tsa<'a>(tsa: &Element<'a>) -> Result<&'a [u8], Malformed> {
    let mut inside = tsa.reader();
    let name = inside.any()?;
    inside.finish()?;
    name.check_nested(MAX_NESTING)?;
    Ok(name.der)
}

fn check_extensions(extensions: &Element<'_>) -> Result<(), TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::TstInfo);
    let mut members = extensions.reader();
    if members.is_empty() {
        return Err(malformed(extensions.malformed(Reason::EmptyList)));
    }
    let mut seen: Vec<Oid<'_>> = Vec::new();
    while !members.is_empty() {
        let extension = members.required(tag::SEQUENCE).map_err(malformed)?;
        if seen.len() == MAX_EXTENSIONS {
            return Err(malformed(extension.malformed(Reason::TooManyExtensions { limit: MAX_EXTENSIONS })));
        }
        let mut fields = extension.reader();
        let id = fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
        let id = Oid::from_element(&id).map_err(malformed)?;
        if seen.contains(&id) {
            return Err(malformed(extension.malformed(Reason::DuplicateExtension)));
        }
        seen.push(id);
        let critical = read_default_false(&mut fields).map_err(malformed)?;
        fields.required(tag::OCTET_STRING).map_err(malformed)?;
        fields.finish().map_err(malformed)?;
        if critical {
            return Err(TokenInvalid::CriticalExtension);
        }
    }
    Ok(())
}

fn read_accuracy(accuracy: &Element<'_>) -> Result<Accuracy, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::TstInfo);
    let mut fields = accuracy.reader();
    let mut component = |tag| match fields.optional(tag).map_err(malformed)? {
        Some(integer) => {
            let content = integer.integer().map_err(malformed)?;
            unsigned(content).map(Some).ok_or(TokenInvalid::Accuracy)
        }
        None => Ok(None),
    };
    let seconds = component(tag::INTEGER)?;
    let millis = component(tag::CONTEXT_0_PRIMITIVE)?;
    let micros = component(tag::CONTEXT_1_PRIMITIVE)?;
    fields.finish().map_err(malformed)?;
    let below_second = |value: Option<u32>| match value {
        None => Ok(0),
        Some(0) => Err(TokenInvalid::Accuracy),
        Some(value) => u16::try_from(value).map_err(|_| TokenInvalid::Accuracy),
    };
    let (millis, micros) = (below_second(millis)?, below_second(micros)?);
    Accuracy::new(seconds.unwrap_or(0), millis, micros).map_err(|_| TokenInvalid::Accuracy)
}

/// The value of a non-negative INTEGER below 2^32.
fn unsigned(content: &[u8]) -> Option<u32> {
    let magnitude = match content {
        [first, ..] if first & 0x80 != 0 => return None,
        [0, rest @ ..] => rest,
        all => all,
    };
    if magnitude.len() > 4 {
        return None;
    }
    Some(magnitude.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet)))
}

/// `YYYYMMDDhhmmss[.f…]Z` without trailing zeros (X.690 §11.7); the second 60 is refused (requirement F5).
fn read_gen_time(content: &[u8]) -> Option<UtcInstant> {
    let text = content.strip_suffix(b"Z")?;
    let (seconds, fraction) = text.split_at_checked(14)?;
    let number = |from: usize, to: usize| {
        let digits = seconds.get(from..to)?;
        digits.iter().try_fold(0_u16, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u16::from(digit & 0x0f))
        })
    };
    let below_100 = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let (hour, minute, second) = (below_100(8)?, below_100(10)?, below_100(12)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let instant = DateTime::new(number(0, 4)?, below_100(4)?, below_100(6)?, hour, minute, second).ok()?;
    UtcInstant::new(instant.unix_duration().as_secs(), read_fraction(fraction)?).ok()
}

/// Nanoseconds of a fraction with its dot, or of none.
fn read_fraction(fraction: &[u8]) -> Option<u32> {
    let digits = match fraction {
        [] => return Some(0),
        [b'.', digits @ ..] => digits,
        _ => return None,
    };
    if digits.is_empty() || digits.len() > MAX_FRACTION_DIGITS || digits.ends_with(b"0") {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(MAX_FRACTION_DIGITS);
    padded
        .into_iter()
        .try_fold(0_u32, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit & 0x0f)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gen_time::GeneralizedTime;
    use proptest::prelude::*;

    #[test]
    fn gen_time_of_der_is_read() {
        let read =
            |text: &str| read_gen_time(text.as_bytes()).map(|time| (time.unix_seconds(), time.nanoseconds()));
        assert_eq!(read("19700101000000Z"), Some((0, 0)));
        assert_eq!(read("20260203040506Z"), Some((1_770_091_506, 0)));
        assert_eq!(read("20260203040506.5Z"), Some((1_770_091_506, 500_000_000)));
        assert_eq!(read("20260203040506.000001Z"), Some((1_770_091_506, 1_000)));
        assert_eq!(read("20240229000000.123456789Z"), Some((1_709_164_800, 123_456_789)));
    }

    #[test]
    fn any_other_form_is_refused() {
        let others = [
            "",
            "Z",
            "20260203040506",
            "202602030405Z",
            "20260203040506.Z",
            "20260203040506.50Z",
            "20260203040506.0Z",
            "20260203040506,5Z",
            "20260203040560Z",
            "20260203040506+0000",
            "20260203040506z",
            "20260203246000Z",
            "20260230000000Z",
            "20261301000000Z",
            "2026020304050aZ",
            "20260203040506.1234567891Z",
            "19691231235959Z",
            "20260203040506.5 Z",
            " 20260203040506Z",
            "20260203040506ZZ",
            "20260203040506.-5Z",
            "20230229000000Z",
        ];
        for text in others {
            assert_eq!(read_gen_time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_the_issuing_side_writes_is_read_back(seconds in 0_u64..253_402_300_800, micros in 0_u32..1_000_000) {
            let instant = UtcInstant::new(seconds, micros * 1_000).unwrap();
            prop_assert_eq!(read_gen_time(GeneralizedTime::from_instant(instant).as_ref()), Some(instant));
        }

        #[test]
        fn no_octets_panic(content: Vec<u8>) {
            let _ = read_gen_time(&content);
            let _ = unsigned(&content);
        }
    }

    #[test]
    fn integers_are_below_2_to_the_32() {
        assert_eq!(unsigned(&[0]), Some(0));
        assert_eq!(unsigned(&[0, 0xff, 0xff, 0xff, 0xff]), Some(u32::MAX));
        assert_eq!(unsigned(&[1, 0, 0, 0, 0]), None);
        assert_eq!(unsigned(&[0xff]), None);
    }
}
