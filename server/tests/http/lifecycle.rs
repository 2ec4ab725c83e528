//! Connections: their number, their deadlines, and the stop.

use std::time::Duration;

use super::harness::{GOOD, GRANTED, Harness, QUERY, Setup, post, within};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_closes_the_idle_at_once() {
    let mut server = Harness::start();
    let mut idle = server.client().await;
    assert_eq!(idle.ask(GOOD).await.status, 200);
    let mut fresh = server.client().await;
    let mut busy = server.client().await;
    busy.send(&post("/", QUERY, "hold")).await;
    within(server.double.held.acquire()).await.unwrap().forget();

    server.begin_stop();
    assert!(idle.closed().await.is_empty());
    assert!(fresh.closed().await.is_empty());
    // The listener is gone before connections are told.
    assert!(TcpStream::connect(server.address).await.is_err());
    server.double.release.add_permits(1);
    let answer = busy.answer(true).await;
    assert_eq!(answer.body, GRANTED);
    assert!(busy.closed().await.is_empty());
    server.stopped().await;
}

#[tokio::test]
async fn the_grace_of_a_stop_ends() {
    let mut server = Setup::limits(|limits| limits.shutdown_grace = Duration::from_millis(100)).start();
    let mut stuck = server.client().await;
    stuck.send(&post("/", QUERY, "hold")).await;
    within(server.double.held.acquire()).await.unwrap().forget();
    server.begin_stop();
    assert!(stuck.closed().await.is_empty());
    server.stopped().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let server = Setup::limits(|limits| limits.keep_alive_idle = Duration::from_millis(200)).start();
    let mut client = server.client().await;
    assert_eq!(client.ask(GOOD).await.status, 200);
    assert!(client.closed().await.is_empty());
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn requests_keep_a_connection_open_past_the_idle_time() {
    let server = Setup::limits(|limits| {
        limits.keep_alive_idle = Duration::from_millis(300);
        limits.header_read = Duration::from_millis(300);
    })
    .start();
    let mut client = server.client().await;
    let opened = std::time::Instant::now();
    while opened.elapsed() < Duration::from_millis(900) {
        assert_eq!(client.ask(GOOD).await.body, GRANTED);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn past_the_cap_idle_connections_make_room() {
    let server = Setup::limits(|limits| limits.connections = 20).start();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(server.client().await);
    }
    // Until they have waited long enough to be closed for another, a newcomer is told to come again.
    within(async {
        loop {
            // The 503 may be lost to a reset: it is sent without waiting for the request.
            if let Some(answer) = server.client().await.try_ask(GOOD).await {
                if answer.status == 200 {
                    break;
                }
                assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")));
            }
        }
    })
    .await;
    assert!(server.metric("attestamp_connections_dropped_total{reason=\"evicted\"}") != "0");
}

#[tokio::test]
async fn past_the_cap_of_busy_connections_the_answer_is_503() {
    let server = Setup::limits(|limits| limits.connections = 2).start();
    let mut busy = [server.client().await, server.client().await];
    for client in &mut busy {
        client.send(&post("/", QUERY, "hold")).await;
        within(server.double.held.acquire()).await.unwrap().forget();
    }
    let mut refused = server.client().await;
    let answer = refused.answer(true).await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")));
    assert_eq!(answer.json()["code"], "overloaded");
    assert!(refused.closed().await.is_empty());
    assert_eq!(server.metric("attestamp_connections_refused_total{reason=\"capacity\"}"), "1");

    server.double.release.add_permits(2);
    for client in &mut busy {
        assert_eq!(client.answer(true).await.body, GRANTED);
    }
    drop(busy);
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let server = Setup::limits(|limits| limits.connections_per_address = Some(2)).start();
    let mut first = server.client().await;
    let mut second = server.client().await;
    assert_eq!(first.ask(GOOD).await.status, 200);
    assert_eq!(second.ask(GOOD).await.status, 200);
    assert_eq!(server.client().await.answer(true).await.status, 503);
    drop(first);
    server.until_connections(1).await;
    server.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_by_the_thousand_do_not_stand_in_the_way() {
    // Both ends of each connection are files of this process, and other tests have theirs.
    let files = attestamp::http::raise_open_file_limit().unwrap_or(u64::MAX);
    let count = usize::try_from(files.saturating_sub(1000) / 2).unwrap().min(10_000);
    let server = Setup::limits(|limits| limits.connections = 20_000).start();
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        idle.push(server.client().await);
    }
    server.assert_serves().await;
    drop(idle);
    server.until_connections(0).await;
    server.assert_serves().await;
}
