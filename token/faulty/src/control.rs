//! Commands of a test: lines of words on a Unix socket, each answered with one line.
//!
//! ```text
//! rule FUNCTION (return=CODE | takes=MICROSECONDS | stall | [stall] signature=FORM) [after=N] [count=N] [slot=N] [first]
//! rule C_GetTokenInfo clock=YYYYMMDDhhmmss00    the token has a clock of its own, which shows that
//! clear                     no rules any more, and every stall ends
//! lose [slot=N] [count=N]   every session's handle is invalid, or those of the N sessions with the highest numbers
//! remove slot=N             the token is taken out; insert slot=N puts it back
//! calls FUNCTION            how often it was called
//! sessions                  how many are open
//! stalled                   how many calls hang
//! wait-stalled N            answered when N calls hang
//! ```
//!
//! A number is decimal, or hexadecimal after `0x`. FUNCTION is a name as `C_Sign`, or `*` for each that is wrapped. A rule
//! with `first` is for calls that are the first of the function on their sessions.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::functions;
use crate::rules::{self, Action, Form, Rule};

/// Takes commands from now on.
pub(crate) fn listen(path: &Path) -> Option<()> {
    // Of a process before this one.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).ok()?;
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // One that waits for a stall must not keep the others out.
            let _ =
                std::thread::Builder::new().name("faulty-control".to_owned()).spawn(move || serve(&stream));
        }
    };
    std::thread::Builder::new().name("faulty-control".to_owned()).spawn(accept).ok().map(drop)
}

fn serve(stream: &UnixStream) {
    let mut answers = stream;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if writeln!(answers, "{}", obey(&line)).is_err() {
            return;
        }
    }
}

/// Does what a line says, and gives the answer.
pub(crate) fn obey(line: &str) -> String {
    obeyed(line).unwrap_or_else(|| format!("not understood: {line}"))
}

fn obeyed(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let command = words.next()?;
    let rest: Vec<&str> = words.collect();
    let slot = value(&rest, "slot").map(number);
    let slot = if slot == Some(None) { return None } else { slot.flatten() };
    match command {
        "rule" => {
            let rule = rule(&rest, slot)?;
            rules::with(|state| state.rules.push(rule));
        }
        "clear" => rules::with(|state| {
            state.rules.clear();
            state.releases += 1;
        }),
        "lose" => {
            let count = match value(&rest, "count") {
                Some(count) => Some(number(count)?),
                None => None,
            };
            let lost = rules::with(|state| state.lose(slot, count));
            functions::close_really(&lost);
        }
        "remove" => {
            let slot = slot?;
            let lost = rules::with(|state| {
                state.removed.insert(slot);
                state.lose(Some(slot), None)
            });
            functions::close_really(&lost);
        }
        "insert" => {
            let slot = slot?;
            rules::with(|state| state.removed.remove(&slot));
        }
        "calls" => return rules::with(|state| rest.first().map(|name| state.calls(name).to_string())),
        "sessions" => return Some(rules::with(|state| state.sessions.len().to_string())),
        "stalled" => return Some(rules::with(|state| state.stalled.to_string())),
        "wait-stalled" => {
            let wanted = number(rest.first()?)?;
            rules::wait_until(|state| state.stalled >= wanted);
        }
        _ => return None,
    }
    Some("ok".to_owned())
}

fn rule(words: &[&str], slot: Option<u64>) -> Option<Rule> {
    let (function, words) = words.split_first()?;
    let known = *function == "*" || functions::NAMES.contains(function);
    let form = match value(words, "signature") {
        Some("short") => Some(Form::Short),
        Some("long") => Some(Form::Long),
        Some("empty") => Some(Form::Empty),
        Some("zero") => Some(Form::Zero),
        Some("garbage") => Some(Form::Garbage),
        Some(_) => return None,
        None => None,
    };
    let action = if words.contains(&"stall") {
        form.map_or(Action::Stall, Action::StallThenSignature)
    } else if let Some(code) = value(words, "return") {
        Action::Return(number(code)?)
    } else if let Some(microseconds) = value(words, "takes") {
        Action::Takes(Duration::from_micros(number(microseconds)?))
    } else if let Some(shown) = value(words, "clock") {
        Action::Clock(shown.as_bytes().try_into().ok()?)
    } else {
        Action::Signature(form?)
    };
    let after = value(words, "after").map_or(Some(0), number)?;
    let count = match value(words, "count") {
        Some(count) => Some(number(count)?),
        None => None,
    };
    let is_for_first = words.contains(&"first");
    known.then(|| Rule { function: (*function).to_owned(), action, after, count, slot, is_for_first })
}

fn value<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_said_and_changes_nothing() {
        for line in [
            "",
            "rule",
            "rule C_Nothing return=1",
            "rule C_Sign",
            "rule C_Sign return=x",
            "rule C_Sign signature=odd",
            "remove",
            "lose slot=x",
            "lose count=x",
            "rule C_Sign stall signature=odd",
            "rule C_GetTokenInfo clock=2026",
        ] {
            assert!(obey(line).starts_with("not understood"), "{line}");
        }
    }

    #[test]
    fn a_rule_is_read() {
        let rule = rule(&["C_Login", "return=0xA4", "count=2", "after=1"], Some(7)).unwrap();
        assert_eq!((rule.function.as_str(), rule.action), ("C_Login", Action::Return(0xA4)));
        assert_eq!((rule.after, rule.count, rule.slot), (1, Some(2), Some(7)));
        assert!(!rule.is_for_first);
        let rule = super::rule(&["C_Sign", "stall", "signature=garbage", "first"], None).unwrap();
        assert_eq!(rule.action, Action::StallThenSignature(Form::Garbage));
        assert!(rule.is_for_first);
    }
}
