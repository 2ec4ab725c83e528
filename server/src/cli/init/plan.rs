//! The plan of a key ceremony: one file that two people read before anything is made, in place of options.
//!
//! A plan stands for a command line of `init` and goes the same way, but what is wrong with it is said with its own keys.
//! It is refused where two people could read it differently: characters that cannot be seen, a path that depends on where
//! the command is run, one person under two names. What it says is not judged here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use serde::Deserialize;

use super::InitArgs;
use crate::cli::text::is_hidden;
use crate::config::nearest;

#[cfg(test)]
mod tests;

/// Longest plan, in octets: two people are to read all of it.
const MAX_PLAN_OCTETS: u64 = 64 * 1024;
/// Roles that somebody must have; others may be there too.
const ROLES: [&str; 2] = ["operator", "witness"];

/// A plan as it is written. Unknown keys are refused: a misspelt one would be left out of what both have read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Plan {
    /// What the ceremony is for.
    pub(super) title: String,
    /// Where it takes place.
    #[serde(default)]
    pub(super) place: String,
    /// Who is there: two people at least.
    #[serde(default)]
    pub(super) participant: Vec<Participant>,
    organization: OrganizationPlan,
    public_url: Option<String>,
    policy: Option<String>,
    certificate_days: Option<u32>,
    key_usage_days: Option<u32>,
    ledger_origin: Option<String>,
    clock: Option<String>,
    #[serde(default)]
    external_ca: bool,
    device_root: DeviceRootPlan,
    token: Option<TokenPlan>,
    #[serde(default)]
    tsu: Vec<TsuPlan>,
}

/// Somebody who is there.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Participant {
    /// Full name.
    name: String,
    /// As `operator` or `witness`.
    role: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OrganizationPlan {
    name: String,
    country: String,
    identifier: Option<String>,
}

/// Who signs the device's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DeviceRootPlan {
    /// A root made in the token, whose key stays there.
    Own,
    /// A root made in the token, whose key is destroyed once it has signed.
    OwnKeyDestroyed,
    /// A CA of the organisation's, which is given a request.
    Request,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct TokenPlan {
    module: PathBuf,
    uri: String,
    pin_file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct TsuPlan {
    name: String,
    algorithm: String,
}

/// The command line that a plan stands for.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct PlannedArgs {
    #[command(flatten)]
    init: InitArgs,
}

impl Plan {
    /// Reads a plan, and checks what the command line would not.
    pub(super) fn read(path: &Path) -> anyhow::Result<(Self, String)> {
        let mut octets = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_PLAN_OCTETS + 1).read_to_end(&mut octets))
            .with_context(|| format!("cannot read {}", path.display()))?;
        if u64::try_from(octets.len()).is_ok_and(|length| length > MAX_PLAN_OCTETS) {
            bail!("{} has more than {MAX_PLAN_OCTETS} octets, which nobody would read aloud", path.display());
        }
        let text = String::from_utf8(octets).with_context(|| format!("{} is not text", path.display()))?;
        Ok((Self::parse(&text).with_context(|| path.display().to_string())?, text))
    }

    /// Who is there, with their roles.
    pub(super) fn who(&self) -> Vec<String> {
        self.participant.iter().map(|person| format!("{} ({})", person.name, person.role)).collect()
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        for (line, number) in text.lines().zip(1_usize..) {
            ensure_visible(line).with_context(|| format!("line {number}"))?;
        }
        let plan: Self =
            toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", nearest::explain(&error, text)))?;
        plan.check_words()?;
        plan.check_participants()?;
        plan.check_paths()?;
        if plan.tsu.is_empty() {
            bail!("the plan makes no TSU: give each a [[tsu]] with name and algorithm");
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = plan.tsu.iter().find(|tsu| !names.insert(&tsu.name)) {
            bail!("[[tsu]] has the name `{}` twice: give each TSU a name of its own", twice.name);
        }
        Ok(plan)
    }

    /// A TOML text may have any character as an escape.
    fn check_words(&self) -> anyhow::Result<()> {
        let participants = self.participant.iter().flat_map(|participant| {
            [("[[participant]] name", &participant.name), ("[[participant]] role", &participant.role)]
        });
        for (key, value) in [("title", &self.title)].into_iter().chain(participants) {
            ensure!(!value.trim().is_empty(), "{key} is empty: write it out");
            ensure_visible(value).context(key)?;
        }
        ensure_visible(&self.place).context("place")
    }

    fn check_participants(&self) -> anyhow::Result<()> {
        let mut names = BTreeSet::new();
        for participant in &self.participant {
            let name = participant.name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            ensure!(
                names.insert(name),
                "[[participant]] has `{}` twice: each is one person",
                participant.name
            );
        }
        for role in ROLES {
            let is_there = self.participant.iter().any(|participant| participant.role == role);
            ensure!(
                is_there,
                "a ceremony has two people at least, and nobody is the {role}: add a [[participant]] with role = \"{role}\""
            );
        }
        Ok(())
    }

    fn check_paths(&self) -> anyhow::Result<()> {
        let Some(TokenPlan { module, pin_file, .. }) = &self.token else { return Ok(()) };
        for (key, path) in [("module", module), ("pin-file", pin_file)] {
            ensure!(
                path.is_absolute(),
                "[token] {key} must be a whole path, from / on: what this one means depends on the folder that the command \
                 is run in. For the embedded token leave [token] out"
            );
        }
        Ok(())
    }

    /// Path of the PKCS#11 module; `None` for the embedded token.
    pub(super) fn module(&self) -> Option<&Path> {
        self.token.as_ref().map(|token| token.module.as_path())
    }

    /// The options of `init` that the plan stands for, and what they say.
    pub(super) fn arguments(&self) -> anyhow::Result<InitArgs> {
        let args =
            PlannedArgs::try_parse_from(self.options()).map_err(|error| in_words_of_the_plan(&error))?.init;
        if args.key_usage_days >= args.certificate_days {
            bail!(
                "key-usage-days, {}, must be less than certificate-days, {} (EN 319 421 7.6.7-02)",
                args.key_usage_days,
                args.certificate_days
            );
        }
        super::token_uri(&args).context("[token] uri")?;
        Ok(args)
    }

    /// The options of `init` that the plan stands for. Each with its value in one word: a value may begin with `-`.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option = |name: &str, value: &str| options.push(format!("{name}={value}"));
        option("--organization", &self.organization.name);
        option("--country", &self.organization.country);
        for (name, value) in [
            ("--organization-identifier", self.organization.identifier.clone()),
            ("--public-url", self.public_url.clone()),
            ("--policy", self.policy.clone()),
            ("--certificate-days", self.certificate_days.map(|days| days.to_string())),
            ("--key-usage-days", self.key_usage_days.map(|days| days.to_string())),
            ("--ledger-origin", self.ledger_origin.clone()),
            ("--clock", self.clock.clone()),
        ] {
            if let Some(value) = value {
                option(name, &value);
            }
        }
        if let Some(TokenPlan { module, uri, pin_file }) = &self.token {
            option("--module", &module.display().to_string());
            option("--token-uri", uri);
            option("--pin-file", &pin_file.display().to_string());
        }
        for tsu in &self.tsu {
            option("--tsu", &format!("{}:{}", tsu.name, tsu.algorithm));
        }
        let switches = [
            ("--external-ca", self.external_ca),
            ("--device-root-csr", self.device_root == DeviceRootPlan::Request),
            ("--destroy-device-root-key", self.device_root == DeviceRootPlan::OwnKeyDestroyed),
        ];
        options.extend(switches.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned()));
        options
    }
}

/// Refuses what a terminal does not show, or shows elsewhere.
fn ensure_visible(text: &str) -> anyhow::Result<()> {
    let is_hidden = |character: char| character != '\t' && is_hidden(character);
    match text.chars().find(|character| is_hidden(*character)) {
        Some(hidden) => bail!(
            "it has the character U+{:04X}, which cannot be seen: a plan has only what both can read",
            u32::from(hidden)
        ),
        None => Ok(()),
    }
}

/// Where a plan has what the option has.
const PLACES: [(&str, &str); 13] = [
    ("--organization", "[organization] name"),
    ("--country", "[organization] country"),
    ("--organization-identifier", "[organization] identifier"),
    ("--public-url", "public-url"),
    ("--policy", "policy"),
    ("--certificate-days", "certificate-days"),
    ("--key-usage-days", "key-usage-days"),
    ("--ledger-origin", "ledger-origin"),
    ("--clock", "clock"),
    ("--module", "[token] module"),
    ("--token-uri", "[token] uri"),
    ("--pin-file", "[token] pin-file"),
    ("--tsu", "[[tsu]]"),
];

/// What is wrong with a value, by the key of the plan. The value itself is not repeated: somebody may have written a PIN
/// into a URI.
fn in_words_of_the_plan(error: &clap::Error) -> anyhow::Error {
    let mut place = "the plan";
    if let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) {
        let name = option.split([' ', '=']).next().unwrap_or_default();
        place = PLACES.iter().find(|(option, _)| *option == name).map_or(place, |(_, place)| *place);
    }
    let reason = match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(ContextValue::Strings(known))) => format!("it must be one of {}", known.join(", ")),
        (None, _) => "it has no value that can be used".to_owned(),
    };
    anyhow::anyhow!("{place}: {reason}")
}
