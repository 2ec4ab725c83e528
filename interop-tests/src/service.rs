//! The systemd unit as a program reads it: its settings, and its commands run as systemd would run them.
//!
//! No test has a systemd to itself, so what can be seen without one is: the same user, environment and arguments. What the
//! sandbox forbids is judged by `systemd-analyze`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// The settings of `[Service]`.
#[derive(Debug, Clone)]
pub struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Reads a unit.
    ///
    /// # Errors
    /// When it has no `[Service]`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("no unit {}", path.display()))?;
        let section = text.split("[Service]\n").nth(1).context("no [Service]")?;
        let section = section.split("\n[").next().unwrap_or(section);
        let lines = section.lines().filter(|line| !line.starts_with('#'));
        let settings = lines.filter_map(|line| line.split_once('='));
        Ok(Self { settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() })
    }

    /// Every value of a setting, in their order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.settings.iter().filter(|(found, _)| found == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a setting.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn one(&self, name: &str) -> Result<&str> {
        match self.all(name)[..] {
            [value] => Ok(value),
            ref values => anyhow::bail!("{name}= has {} values", values.len()),
        }
    }

    /// A command's words with the environment's variables in them: a word that is one variable becomes as many words as
    /// the variable has, none for an empty one (systemd.service(5)).
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn command(&self, name: &str, environment: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let words = self.one(name)?.split_ascii_whitespace().map(|word| match word.strip_prefix('$') {
            Some(variable) => {
                let value = environment.get(variable).map(String::as_str).unwrap_or_default();
                value.split_ascii_whitespace().map(str::to_owned).collect()
            }
            None => vec![word.to_owned()],
        });
        Ok(words.flatten().collect())
    }
}

/// An environment file: `NAME=VALUE` lines, and comments.
///
/// # Errors
/// When it is not there.
pub fn environment_file(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("no {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_as_many_words_as_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.service");
        std::fs::write(
            &path,
            "[Unit]\nA=1\n[Service]\n#A=2\nExecStart=/bin/x --y $OPTIONS $EMPTY\nA=3\n[Install]\nA=4\n",
        )
        .unwrap();
        let unit = Unit::read(&path).unwrap();
        assert_eq!(unit.all("A"), ["3"]);
        let environment = BTreeMap::from([("OPTIONS".to_owned(), "a b".to_owned())]);
        assert_eq!(unit.command("ExecStart", &environment).unwrap(), ["/bin/x", "--y", "a", "b"]);
        assert!(unit.one("B").is_err());
    }
}
