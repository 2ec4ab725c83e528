//! What Prometheus' own tools make of our metrics, rules and dashboard: its Python client's parser, and `promtool`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tools::Finished;
use crate::verifiers;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/read_metrics.py");

/// A file of the repository.
#[must_use]
pub fn repository_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// One exposition, as the parser read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposition(Value);

impl Exposition {
    /// Reads expositions, which must keep to the format to the letter. Writes them into the folder first.
    ///
    /// # Errors
    /// What is wrong, by line.
    pub fn read_all(folder: &Path, texts: &[&[u8]]) -> Result<Vec<Self>> {
        let mut arguments = vec![READER.to_owned()];
        for (number, text) in texts.iter().enumerate() {
            let name = format!("metrics-{number}.txt");
            std::fs::write(folder.join(&name), text)?;
            arguments.push(name);
        }
        let read = verifiers::tool("python/bin/python")?.run(folder, &arguments)?.succeeded()?;
        let Value::Array(expositions) = serde_json::from_str(&read.stdout)? else { bail!("no list: {read}") };
        Ok(expositions.into_iter().map(Self).collect())
    }

    /// The families' names, as TYPE has them: a counter's without `_total`, as the parser gives it.
    #[must_use]
    pub fn families(&self) -> Vec<&str> {
        self.0.as_object().map(|families| families.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// Every series in its order: its name and its labels.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        let samples = self.0.as_object().into_iter().flat_map(|families| families.values());
        let samples = samples.filter_map(|family| family["samples"].as_array()).flatten();
        samples.map(|sample| format!("{}{}", sample[0], sample[1])).collect()
    }

    /// The value of the one series of this name with these labels.
    ///
    /// # Errors
    /// When there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let families = self.0.as_object().context("no families")?;
        let mut samples = families.values().filter_map(|family| family["samples"].as_array()).flatten();
        let is_it = |sample: &&Value| {
            let has = |&(label, value): &(&str, &str)| {
                sample.pointer(&format!("/1/{label}")) == Some(&value.into())
            };
            sample[0] == name && labels.iter().all(has)
        };
        let found = samples.find(is_it).with_context(|| format!("no series {name} {labels:?}"))?;
        found[2].as_f64().with_context(|| format!("{name} is {}", found[2]))
    }

    /// Every name that a query may select: families, and the parts of histograms.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (family, what) in self.0.as_object().into_iter().flatten() {
            match what["type"].as_str() {
                Some("counter") => drop(names.insert(format!("{family}_total"))),
                Some("histogram") => {
                    names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{family}{part}")));
                }
                Some(_) | None => drop(names.insert(family.clone())),
            }
        }
        names
    }
}

/// Runs `promtool ARGUMENTS…` in a folder.
///
/// # Errors
/// When it is not there.
pub fn promtool(folder: &Path, arguments: &[&str]) -> Result<Finished> {
    verifiers::tool("promtool/promtool")?.run(folder, arguments)
}

/// A YAML file as Python's reader sees it.
///
/// # Errors
/// When it is no YAML.
pub fn yaml(path: &Path) -> Result<Value> {
    let program =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))";
    let path = path.to_str().context("the path is not UTF-8")?;
    let read =
        verifiers::tool("python/bin/python")?.run(Path::new("."), &["-c", program, path])?.succeeded()?;
    Ok(serde_json::from_str(&read.stdout)?)
}

/// The metrics of ours that a query names.
#[must_use]
pub fn names_in(query: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = query.split(|character| !is_part(character));
    words
        .filter(|word| word.starts_with("attestamp_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}
