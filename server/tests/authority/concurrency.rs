//! Many requests at once, on the system's clock: unique serial numbers, DER throughout, genTime within the interval.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use attestamp::clock::{ClockGate, ClockTicker, HighWaterMark, SAMPLE_INTERVAL, SystemTimeSource, unix_time};
use attestamp::http::{RequestId, StampRequest};
use attestamp::telemetry::Trace;
use attestamp_hsm::Dispatch;
use attestamp_tsa::TimeStampResp;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode as _, Encode as _};

use crate::harness::{DATA, granted, query};
use crate::place::Place;

const TASKS: u64 = 16;
const EACH: u64 = 125;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_tokens_over_sixteen_tasks_are_unique_der_and_in_time() {
    let place = Place::new(&["default"]);
    let time = Arc::new(SystemTimeSource);
    let mark = Arc::new(HighWaterMark::open(&place.layout().clock_mark_file(), time.as_ref()).unwrap());
    let clock = Arc::new(ClockGate::start(place.config().clock, time, mark).unwrap());
    let ticker = ClockTicker::start(&clock, SAMPLE_INTERVAL).unwrap();
    let authority = Arc::new(place.start_on(Arc::clone(&clock)).unwrap());
    let body = query().to_der();

    let before = seconds();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (authority, body) = (Arc::clone(&authority), body.clone());
            tokio::spawn(async move {
                let mut replies = Vec::new();
                for number in 0..EACH {
                    let id = RequestId::new(0, task * EACH + number);
                    let request =
                        StampRequest { id, tsu: None, body: body.clone().into(), trace: Trace::none() };
                    replies.push(granted(authority.stamp(&request).await));
                    tokio::task::yield_now().await;
                }
                replies
            })
        })
        .collect();
    let mut replies = Vec::new();
    for task in tasks {
        replies.extend(task.await.unwrap());
    }
    let after = seconds();
    drop(ticker);

    assert_eq!(u64::try_from(replies.len()).unwrap(), TASKS * EACH);
    let roots = authority.pki_file("root.pem").unwrap().body;
    let mut serials = HashSet::new();
    for reply in &replies {
        assert_der(reply);
        let token = crate::harness::verify(reply, DATA, &roots);
        assert!(token.serial.len() <= 20 && token.serial[0] & 0x80 == 0);
        assert!(serials.insert(token.serial));
        let gen_time = Duration::from_secs(token.gen_time.unix_time().as_secs());
        assert!(before <= gen_time && gen_time <= after, "{before:?} {gen_time:?} {after:?}");
    }
}

#[test]
fn inline_no_thread_of_the_runtime_finds_the_token_busy_for_want_of_a_session() {
    let place = Place::new(&["default"]);
    place.edit("# sessions = 8", "sessions = 1");
    let authority = place.start().unwrap();
    let running = authority.running();
    let tsu = running.select(None, None).unwrap();
    // And one for the test token of a reload.
    let threads = std::thread::available_parallelism().unwrap().get();
    assert_eq!((tsu.pool().unwrap().dispatch(), tsu.sessions()), (Dispatch::Inline, threads + 1));
    drop(authority);
    place.edit("# dispatch = \"auto\"", "dispatch = \"threads\"");
    let authority = place.start().unwrap();
    assert_eq!(authority.running().select(None, None).unwrap().sessions(), 1);
}

/// genTime is cut to whole seconds, so the interval is too.
fn seconds() -> Duration {
    Duration::from_secs(unix_time().0)
}

/// Another implementation of CMS reads the token, and writes the same octets.
fn assert_der(reply: &[u8]) {
    let token = TimeStampResp::decode(reply).unwrap().token.unwrap();
    let content_info = ContentInfo::from_der(token).unwrap();
    assert_eq!(content_info.to_der().unwrap(), token);
    let signed_data: SignedData = content_info.content.decode_as().unwrap();
    assert_eq!(signed_data.to_der().unwrap(), content_info.content.to_der().unwrap());
}
