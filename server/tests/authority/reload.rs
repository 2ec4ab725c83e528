//! Reload: all of it or nothing, while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attestamp::authority::AuthorityError;
use attestamp::issue::StampOutcome;
use attestamp::tsu::{Tsu, TsuError};

use crate::harness::{Fixture, query};
use crate::place::Place;
use crate::signers::{Signer, inline};

fn tsu(fixture: &Fixture, name: &str) -> Arc<Tsu> {
    Arc::clone(fixture.authority.running().select(Some(name), None).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_certificate_is_taken_while_requests_go_on_and_the_pool_is_kept() {
    let fixture = Arc::new(Fixture::new());
    let pool = Arc::clone(tsu(&fixture, "default").pool().unwrap());
    let mut certificates = vec![tsu(&fixture, "default").certificate().serial().to_vec()];
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (fixture, over) = (Arc::clone(&fixture), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    seen.push(fixture.granted(None).await.certificate.serial().to_vec());
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    for _ in 0..5 {
        fixture.renew_certificate();
        tokio::task::block_in_place(|| fixture.reload()).unwrap();
        let now = fixture.granted(None).await.certificate.serial().to_vec();
        assert!(!certificates.contains(&now));
        certificates.push(now);
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        // Each client saw the certificates in the order in which they were taken.
        let seen = client.await.unwrap();
        let order: Vec<_> = seen
            .iter()
            .map(|serial| certificates.iter().position(|known| known == serial).unwrap())
            .collect();
        assert!(!order.is_empty() && order.is_sorted(), "{order:?}");
    }
    assert!(Arc::ptr_eq(&pool, tsu(&fixture, "default").pool().unwrap()));
    // The page's and the chain's too.
    assert_eq!(*certificates.last().unwrap(), tsu(&fixture, "default").certificate().serial());
    let chain = std::fs::read(fixture.place.layout().tsu_chain("default")).unwrap();
    assert_eq!(fixture.authority.chain_pem("default").unwrap(), chain);
    assert!(chain.starts_with(&fixture.authority.certificate_pem("default").unwrap()));
}

#[tokio::test]
async fn a_broken_certificate_leaves_all_as_it_was() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let before = fixture.authority.running();
    let path = fixture.place.layout().tsu_chain("second");
    let good = std::fs::read_to_string(&path).unwrap();
    let leaf_only = good.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let of_default = std::fs::read_to_string(fixture.place.layout().tsu_chain("default")).unwrap();
    for broken in ["", "garbage", leaf_only, &of_default, &good[..good.len() / 2]] {
        std::fs::write(&path, broken).unwrap();
        // Another TSU's new certificate is not taken either.
        fixture.renew_certificate();
        let error = fixture.reload().unwrap_err();
        assert!(error.to_string().contains("second"), "{error:#}");
        assert!(Arc::ptr_eq(&before, &fixture.authority.running()));
        fixture.granted(None).await;
        fixture.granted(Some("second")).await;
    }
    std::fs::write(&path, good).unwrap();
    fixture.reload().unwrap();
    assert!(!Arc::ptr_eq(&before, &fixture.authority.running()));
}

#[tokio::test]
async fn a_broken_configuration_leaves_all_as_it_was() {
    let fixture = Fixture::new();
    let before = fixture.authority.running();
    let path = fixture.place.layout().config_file();
    let good = std::fs::read_to_string(&path).unwrap();
    let more = "\n[tsu.aaa]\ntoken = \"main\"\nkey = \"pkcs11:token=attestamp;id=%01\"\ndefault-policy = \"2.999.9\"\n";
    std::fs::copy(fixture.place.layout().tsu_chain("default"), fixture.place.layout().tsu_chain("aaa"))
        .unwrap();
    for broken in ["[server", "nonsense = 1", &format!("{good}{more}")] {
        std::fs::write(&path, broken).unwrap();
        assert!(fixture.reload().is_err());
        assert!(Arc::ptr_eq(&before, &fixture.authority.running()));
        fixture.granted(None).await;
    }
    std::fs::write(&path, good).unwrap();
    fixture.reload().unwrap();
}

#[tokio::test]
async fn a_refused_reload_leaves_no_series_of_a_tsu_that_never_ran() {
    let fixture = Fixture::new();
    let second = Place::new(&["default", "second"]);
    // A folder whose TSU `default` is fit and whose TSU `second` is not.
    let chains = second.layout();
    std::fs::copy(chains.tsu_chain("default"), chains.tsu_chain("second")).unwrap();
    let config = second.config();
    let mut renamed = config.clone();
    renamed.ledger = fixture.place.config().ledger;
    let default = renamed.tsus.remove("default").unwrap();
    renamed.tsus.insert("another".to_owned(), default);
    std::fs::copy(chains.tsu_chain("default"), fixture.place.layout().tsu_chain("another")).unwrap();
    std::fs::copy(chains.tsu_chain("second"), fixture.place.layout().tsu_chain("second")).unwrap();
    for ca in ["root", "tsa-ca"] {
        std::fs::copy(chains.ca_certificate(ca), fixture.place.layout().ca_certificate(ca)).unwrap();
    }
    let refused = fixture.authority.reload(renamed).unwrap_err();
    assert!(
        matches!(&refused, AuthorityError::Tsu { name, source: TsuError::KeyMismatch { .. } } if &**name == "second"),
        "{refused:?}"
    );
    let text = fixture.metrics.render();
    assert!(text.contains("tsu=\"default\"") && !text.contains("tsu=\"another\""), "{text}");
}

#[tokio::test]
async fn a_signer_that_fails_the_test_token_refuses_the_reload() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", inline());
    let before = fixture.authority.running();
    signer.fails(crate::signers::ckr(0x20));
    let error = fixture.reload().unwrap_err();
    assert!(format!("{error:#}").contains("CKR_DATA_INVALID"), "{error:#}");
    assert!(Arc::ptr_eq(&before, &fixture.authority.running()));
    fixture.granted(None).await;
    fixture.reload().unwrap();
}

#[tokio::test]
async fn a_retired_tsu_disappears_and_its_series_too() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    fixture.granted(Some("second")).await;
    fixture.authority.publish(&fixture.metrics);
    assert!(fixture.metrics.render().contains("tsu=\"second\""));
    fixture.place.edit("[tsu.second]", "[tsu.second]\nretired = true");
    fixture.place.edit("# retired = false", "");
    fixture.reload().unwrap();
    fixture.authority.publish(&fixture.metrics);
    let outcome = fixture.stamp(Some("second"), query().to_der()).await;
    assert!(matches!(outcome, StampOutcome::UnknownTsu), "{outcome:?}");
    assert!(fixture.authority.certificate_pem("second").is_none());
    assert_eq!(fixture.authority.tsus().len(), 1);
    let text = fixture.metrics.render();
    assert!(text.contains("tsu=\"default\"") && !text.contains("tsu=\"second\""), "{text}");
    fixture.granted(None).await;
    // The last one cannot go: there would be nothing to serve.
    fixture.place.edit("[tsu.default]", "[tsu.default]\nretired = true");
    assert!(fixture.reload().is_err());
    fixture.granted(None).await;
}
