//! The subject name of a CA or a TSU: validated text in, an X.501 `Name` out.
//!
//! ETSI EN 319 422 §6.2 asks of a TSU's subject: the country, the full registered name of the organisation, its
//! registration number where it has one (organizationIdentifier, 2.5.4.97), and a common name that no other TSU has.
//! Every name made here has that form, those of the CAs too. The upper bounds are those of RFC 5280 appendix A.1:
//! software exists that refuses longer values.
//!
//! It does not check what only the operator knows: that the organisation is registered under this name, that the common
//! name is unique, and that the organizationIdentifier follows the semantics of ETSI EN 319 412-1 §5.1.4.

use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519::{COMMON_NAME, COUNTRY_NAME, ORGANIZATION_NAME};
use der::asn1::{Any, PrintableStringRef, Utf8StringRef};
use der::{Decode, Encode};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

pub(crate) const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");

/// The text of a subject before validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectFields<'a> {
    /// ISO 3166 code of the country where the organisation is established: two upper-case letters.
    pub country: &'a str,
    /// The full registered name of the organisation, at most 64 characters.
    pub organization: &'a str,
    /// The registration number, as `VATBE-0876866142` (ETSI EN 319 412-1 §5.1.4).
    pub organization_identifier: Option<&'a str>,
    /// The name of this CA or TSU, at most 64 characters. Unique per TSU.
    pub common_name: &'a str,
}

/// A valid subject, encoded once.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    name: Name,
    der: Vec<u8>,
}

impl Subject {
    /// Validates and encodes: C as PrintableString, the rest as UTF8String (RFC 5280 §4.1.2.4), one attribute an RDN.
    ///
    /// # Errors
    /// The first attribute that breaks a rule.
    pub fn new(fields: SubjectFields<'_>) -> Result<Self, SubjectInvalid> {
        check_country(fields.country)?;
        let mut attributes = vec![
            (COUNTRY_NAME, Any::encode_from(&PrintableStringRef::new(fields.country)?)?),
            (ORGANIZATION_NAME, text(SubjectAttribute::Organization, fields.organization)?),
        ];
        if let Some(identifier) = fields.organization_identifier {
            let value = text(SubjectAttribute::OrganizationIdentifier, identifier)?;
            attributes.push((ORGANIZATION_IDENTIFIER, value));
        }
        attributes.push((COMMON_NAME, text(SubjectAttribute::CommonName, fields.common_name)?));

        let mut sequence = RdnSequence::default();
        for (oid, value) in attributes {
            sequence.push(RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }])?);
        }
        let der = sequence.to_der()?;
        Ok(Self { name: Name::from_der(&der)?, der })
    }

    /// The `Name` (RDNSequence) in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for Subject {
    /// As RFC 4514 writes it: the common name first.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Subject({self})")
    }
}

/// Any certificate's `Name` in DER as RFC 4514 writes it, for people; `None` where it cannot be read. It may hold control
/// characters, which are the printer's to escape.
#[must_use]
pub fn name_text(name_der: &[u8]) -> Option<String> {
    Name::from_der(name_der).ok().map(|name| name.to_string())
}

/// An attribute of a [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectAttribute {
    /// countryName, 2.5.4.6.
    Country,
    /// organizationName, 2.5.4.10.
    Organization,
    /// organizationIdentifier, 2.5.4.97.
    OrganizationIdentifier,
    /// commonName, 2.5.4.3.
    CommonName,
}

impl SubjectAttribute {
    /// The longest value, in characters: ub-country-name-alpha-length, ub-organization-name and ub-common-name of RFC
    /// 5280 appendix A.1. X.520 leaves the organizationIdentifier unbounded: 128 is our own choice.
    #[must_use]
    pub const fn allowed_characters(self) -> usize {
        match self {
            Self::Country => 2,
            Self::Organization | Self::CommonName => 64,
            Self::OrganizationIdentifier => 128,
        }
    }
}

impl fmt::Display for SubjectAttribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Country => "country (C)",
            Self::Organization => "organization (O)",
            Self::OrganizationIdentifier => "organization identifier",
            Self::CommonName => "common name (CN)",
        })
    }
}

/// Why some text is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectInvalid {
    /// The country is not an ISO 3166 alpha-2 code in upper case.
    #[error("the subject's country must be two upper-case letters (ISO 3166), as in FI")]
    CountryForm,
    /// The value is empty.
    #[error("the subject's {attribute} is empty")]
    Empty {
        /// Which one.
        attribute: SubjectAttribute,
    },
    /// The value has more characters than RFC 5280 appendix A.1 allows.
    #[error("the subject's {attribute} has {found} characters, {allowed} are allowed")]
    TooLong {
        /// Which one.
        attribute: SubjectAttribute,
        /// Its characters.
        found: usize,
        /// The upper bound.
        allowed: usize,
    },
    /// A space at an end: comparing names would ignore it (RFC 5280 §7.1), people would not see it.
    #[error("the subject's {attribute} begins or ends with a space")]
    Padded {
        /// Which one.
        attribute: SubjectAttribute,
    },
    /// A control character.
    #[error("character {position} of the subject's {attribute} is a control character")]
    ControlCharacter {
        /// Which one.
        attribute: SubjectAttribute,
        /// Counted from 0.
        position: usize,
    },
    /// The encoder refused the name.
    #[error("the subject cannot be encoded")]
    Encoding {
        /// Its reason.
        #[from]
        source: der::Error,
    },
}

fn check_country(country: &str) -> Result<(), SubjectInvalid> {
    let well_formed = country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase());
    if well_formed { Ok(()) } else { Err(SubjectInvalid::CountryForm) }
}

fn text(attribute: SubjectAttribute, value: &str) -> Result<Any, SubjectInvalid> {
    if value.is_empty() {
        return Err(SubjectInvalid::Empty { attribute });
    }
    let (found, allowed) = (value.chars().count(), attribute.allowed_characters());
    if found > allowed {
        return Err(SubjectInvalid::TooLong { attribute, found, allowed });
    }
    if value.trim() != value {
        return Err(SubjectInvalid::Padded { attribute });
    }
    if let Some(position) = value.chars().position(char::is_control) {
        return Err(SubjectInvalid::ControlCharacter { attribute, position });
    }
    Ok(Any::encode_from(&Utf8StringRef::new(value)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const FIELDS: SubjectFields<'_> = SubjectFields {
        country: "FI",
        organization: "Öy",
        organization_identifier: Some("NTRFI-1"),
        common_name: "TSU 1",
    };

    #[test]
    fn the_attributes_of_en_319_422_6_2_in_their_string_types() {
        let subject = Subject::new(FIELDS).unwrap();
        let expected = hex!(
            "303d"
            "310b 3009 0603 550406 1302 4649"
            "310c 300a 0603 55040a 0c03 c39679"
            "3110 300e 0603 550461 0c07 4e545246492d31"
            "310e 300c 0603 550403 0c05 5453552031"
        );
        assert_eq!(subject.der(), expected);
        assert_eq!(subject.name().to_der().unwrap(), subject.der());
    }

    #[test]
    fn the_organization_identifier_may_be_absent() {
        let with = Subject::new(FIELDS).unwrap();
        let without = Subject::new(SubjectFields { organization_identifier: None, ..FIELDS }).unwrap();
        assert_eq!(with.der().len() - without.der().len(), 18);
    }

    #[test]
    fn a_country_is_two_upper_case_letters() {
        for country in ["", "F", "fi", "FIN", "F1", "Ö"] {
            let fields = SubjectFields { country, ..FIELDS };
            assert_eq!(Subject::new(fields), Err(SubjectInvalid::CountryForm), "{country:?}");
        }
    }

    #[test]
    fn upper_bounds_count_characters_and_not_octets() {
        let fits = "ö".repeat(64);
        assert!(Subject::new(SubjectFields { organization: &fits, common_name: &fits, ..FIELDS }).is_ok());
        let attribute = SubjectAttribute::CommonName;
        let long = "o".repeat(65);
        assert_eq!(
            Subject::new(SubjectFields { common_name: &long, ..FIELDS }),
            Err(SubjectInvalid::TooLong { attribute, found: 65, allowed: 64 })
        );
    }

    #[test]
    fn text_that_people_cannot_read_is_refused() {
        let attribute = SubjectAttribute::Organization;
        for (organization, error) in [
            ("", SubjectInvalid::Empty { attribute }),
            (" Oy", SubjectInvalid::Padded { attribute }),
            ("Oy\n", SubjectInvalid::Padded { attribute }),
            ("O\0y", SubjectInvalid::ControlCharacter { attribute, position: 1 }),
        ] {
            assert_eq!(
                Subject::new(SubjectFields { organization, ..FIELDS }),
                Err(error),
                "{organization:?}"
            );
        }
    }
}
